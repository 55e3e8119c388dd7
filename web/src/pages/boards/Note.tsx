// A note, drawn from its few marks.
import type { ReactNode } from 'react';
import { blocksOf, type Inline } from '../../lib/markdown';
import styles from './Boards.module.css';

export function Note({ text }: { text: string }) {
  return (
    <div className={styles.note}>
      {blocksOf(text).map((block, i) => {
        if (block.kind === 'code') return <pre key={i}>{block.text}</pre>;
        if (block.kind === 'list') {
          return (
            <ul key={i}>
              {block.items.map((item, k) => (
                <li key={k}>{drawn(item)}</li>
              ))}
            </ul>
          );
        }
        return block.kind === 'heading' ? <h3 key={i} data-level={block.level}>{drawn(block.inline)}</h3> : <p key={i}>{drawn(block.inline)}</p>;
      })}
    </div>
  );
}

function drawn(list: Inline[]): ReactNode[] {
  return list.map((one, i) => {
    if (one.kind === 'bold') return <b key={i}>{one.text}</b>;
    if (one.kind === 'italic') return <i key={i}>{one.text}</i>;
    if (one.kind === 'code') return <code key={i}>{one.text}</code>;
    if (one.kind === 'link') {
      return (
        <a key={i} href={one.href} rel="noreferrer">
          {one.text}
        </a>
      );
    }
    return one.text;
  });
}
