// A stack trace: the application's own frames in full, runs of library frames folded.
import { useMemo, useState } from 'react';
import { foldLibraries, parseStack, type Frame } from '../lib/stack';
import { CopyButton } from './Control';
import { Icon } from './Icon';
import styles from './Stack.module.css';

export function Stack({ text }: { text: string }) {
  const groups = useMemo(() => foldLibraries(parseStack(text)), [text]);
  // When every frame is a library's, folding them would leave nothing to read.
  const own = groups.some((group) => group.kind === 'line' && group.line.kind === 'frame');
  return (
    <div className={styles.stack} data-testid="stack">
      <div className={styles.tools}>
        <CopyButton bare text={text} label="Copy stack" />
      </div>
      <div className={styles.scroll}>
        {groups.map((group, i) => {
          if (group.kind === 'library') return <Library key={i} frames={group.frames} opened={!own} />;
          if (group.line.kind === 'note') {
            return (
              <div key={i} className={styles.note}>
                {group.line.text}
              </div>
            );
          }
          return <One key={i} frame={group.line} />;
        })}
      </div>
    </div>
  );
}

function Library({ frames, opened }: { frames: Frame[]; opened: boolean }) {
  const [open, setOpen] = useState(opened);
  return (
    <>
      <button type="button" className={styles.fold} aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'down' : 'right'} size={12} />
        {frames.length === 1 ? '1 library frame' : `${frames.length} library frames`}
        {!open && <span className="cut">{packages(frames)}</span>}
      </button>
      {open && frames.map((frame, i) => <One key={i} frame={frame} />)}
    </>
  );
}

/** Names of the packages a folded run goes through. */
function packages(frames: Frame[]): string {
  const names = frames.map((frame) => /(?:site-packages|dist-packages|node_modules|gems)\/((?:@[^/]+\/)?[^/]+)/.exec(frame.file)?.[1] ?? '');
  return [...new Set(names.filter((name) => name !== ''))].join(', ');
}

function One({ frame }: { frame: Frame }) {
  return (
    <div className={`${styles.frame} ${frame.library ? styles.library : ''}`}>
      <b>{frame.function || '<anonymous>'}</b>{' '}
      <span className={styles.place}>
        {frame.file}
        {frame.line !== null && `:${frame.line}`}
      </span>
      {frame.source.map((line, i) => (
        <div key={i} className={styles.source}>
          {line}
        </div>
      ))}
    </div>
  );
}
