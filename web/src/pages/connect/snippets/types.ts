// The shape of the recipes. Text may name this server's addresses: {http}, {otlp_http}, {otlp_grpc}, {xray}, {xray_host},
// {xray_port}, {region}.

export const LANGUAGES = ['python', 'node', 'java', 'go', 'ruby', 'dotnet'] as const;
export type Language = (typeof LANGUAGES)[number];

export const LANGUAGE_NAMES: Record<Language, string> = {
  python: 'Python',
  node: 'Node.js',
  java: 'Java',
  go: 'Go',
  ruby: 'Ruby',
  dotnet: '.NET',
};

/** Variables are shown as the reader's shell, `.env` file or Compose file wants them; everything else as it is. */
export type Step =
  | { kind: 'env'; title: string; variables: [name: string, value: string][]; note?: string }
  | { kind: 'text'; title: string; text: string; note?: string };

export interface Vendor {
  id: string;
  name: string;
  /** Which receiver's light to watch. */
  receiver: string;
  /** What has to change, in one sentence. */
  change: string;
  languages: Record<Language, Step[]>;
  /** The same for every language: sends one record by hand. */
  tryIt: Step;
}
