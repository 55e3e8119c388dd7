// Buttons, inputs and blocks to copy from.
import { useEffect, useRef, useState, type ButtonHTMLAttributes, type InputHTMLAttributes, type ReactNode, type Ref } from 'react';
import styles from './Control.module.css';
import { Icon, type IconName } from './Icon';

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & { ref?: Ref<HTMLButtonElement> };

export function Button({ primary, className, ...rest }: ButtonProps & { primary?: boolean }) {
  return <button type="button" className={`${styles.button} ${primary ? styles.primary : ''} ${className ?? ''}`} {...rest} />;
}

export function IconButton({ icon, label, ...rest }: ButtonProps & { icon: IconName; label: string }) {
  return (
    <button type="button" className={styles.icon} aria-label={label} title={label} {...rest}>
      <Icon name={icon} />
    </button>
  );
}

/** An icon without a frame, for use inside rows. */
export function BareButton({ icon, label, children, ...rest }: ButtonProps & { icon: IconName; label: string; children?: ReactNode }) {
  return (
    <button type="button" className={styles.bare} aria-label={label} title={label} {...rest}>
      <Icon name={icon} />
      {children}
    </button>
  );
}

export function Group({ children, label }: { children: ReactNode; label: string }) {
  return (
    <span className={styles.group} role="group" aria-label={label}>
      {children}
    </span>
  );
}

export function Choice<T extends string>({ label, options, value, onChange }: { label: string; options: readonly { value: T; label: string }[]; value: T; onChange: (value: T) => void }) {
  return (
    <Group label={label}>
      {options.map((option) => (
        <Button key={option.value} aria-pressed={option.value === value} onClick={() => onChange(option.value)}>
          {option.label}
        </Button>
      ))}
    </Group>
  );
}

export function Input(props: InputHTMLAttributes<HTMLInputElement> & { ref?: Ref<HTMLInputElement> }) {
  return <input {...props} className={`${styles.input} ${props.className ?? ''}`} />;
}

export function LiveButton({ live, onChange, label = 'Live' }: { live: boolean; onChange: (live: boolean) => void; label?: string }) {
  return (
    <Button aria-pressed={live} onClick={() => onChange(!live)} data-testid="live-toggle" title={live ? 'Stop refreshing' : 'Keep this page up to date'}>
      <span className={styles.live} />
      {label}
    </Button>
  );
}

const COPIED_MS = 1_200;

export function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Over plain http from another host there is no clipboard object; the old command still works.
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
  return Promise.resolve();
}

export function CopyButton({ text, label = 'Copy', bare = false }: { text: string | (() => string); label?: string; bare?: boolean }) {
  const [copied, setCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = () => {
    void copyText(typeof text === 'function' ? text() : text).then(() => {
      setCopied(true);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setCopied(false), COPIED_MS);
    });
  };
  const Kind = bare ? BareButton : IconButton;
  return <Kind icon={copied ? 'check' : 'copy'} label={copied ? 'Copied' : label} onClick={copy} data-testid="copy" />;
}

/** Lines to copy, as they are to be pasted. */
export function CopyBlock({ text, label }: { text: string; label?: string }) {
  return (
    <div className={styles.block}>
      <pre tabIndex={0}>{text}</pre>
      <div className={styles.copy}>
        <CopyButton text={text} label={label ?? 'Copy these lines'} />
      </div>
    </div>
  );
}
