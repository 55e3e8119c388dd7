// Recipes with this server's addresses in them.
import type { Addresses } from '../../api/types';
import type { Step } from './snippets/types';

export type Format = 'shell' | 'env' | 'compose';

export type Places = Record<string, string>;

export function placesOf(addresses: Addresses, region: string): Places {
  const split = addresses.xray.lastIndexOf(':');
  return {
    http: addresses.http.replace(/\/$/, ''),
    otlp_http: addresses.otlp_http.replace(/\/$/, ''),
    otlp_grpc: addresses.otlp_grpc.replace(/\/$/, ''),
    xray: addresses.xray,
    xray_host: addresses.xray.slice(0, split),
    xray_port: addresses.xray.slice(split + 1),
    region,
  };
}

/** Puts the addresses in. Braces that name no place stay: JSON and code are full of them. */
export function filled(text: string, places: Places): string {
  return text.replace(/\{([a-z_]+)\}/g, (whole, name: string) => places[name] ?? whole);
}

export function textOf(step: Step, places: Places, format: Format): string {
  if (step.kind === 'text') return filled(step.text, places);
  const lines = step.variables.map(([name, value]) => {
    const plain = filled(value, places);
    if (format === 'compose') return `  ${name}: ${JSON.stringify(plain)}`;
    return format === 'shell' ? `export ${name}=${plain}` : `${name}=${plain}`;
  });
  return (format === 'compose' ? ['environment:', ...lines] : lines).join('\n');
}
