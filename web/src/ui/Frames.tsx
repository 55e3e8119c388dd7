// A stack whose frames came with code: the line that raised it open, library frames folded by package, values on demand.
import { useState } from 'react';
import { inline } from '../lib/json';
import { foldFrames, type CodeFrame, type CodeTrace } from '../lib/payload';
import { Icon } from './Icon';
import styles from './Frames.module.css';

export function Frames({ traces }: { traces: CodeTrace[] }) {
  return (
    <div className={styles.traces} data-testid="frames">
      {traces.map((trace, i) => (
        <section key={i} className={styles.trace}>
          {(trace.type !== '' || trace.message !== '') && (
            <header className={styles.cause}>
              {i > 0 && <span>caused by</span>}
              <b>{trace.type || 'error'}</b>
              <span className={styles.told}>{trace.message}</span>
            </header>
          )}
          <One trace={trace} first={i === 0} />
        </section>
      ))}
    </div>
  );
}

function One({ trace, first }: { trace: CodeTrace; first: boolean }) {
  const groups = foldFrames(trace.frames);
  const opened = groups.findIndex((group) => group.kind === 'own');
  return groups.map((group, i) => (group.kind === 'own' ? <Frame key={i} frame={group.frame} opened={first && i === opened} /> : <Library key={i} frames={group.frames} opened={opened < 0} />));
}

function Library({ frames, opened }: { frames: CodeFrame[]; opened: boolean }) {
  const [open, setOpen] = useState(opened);
  const packages = [...new Set(frames.map((frame) => /(?:site-packages|dist-packages|node_modules|gems)\/((?:@[^/]+\/)?[^/]+)/.exec(frame.file)?.[1] ?? ''))].filter(Boolean);
  return (
    <>
      <button type="button" className={styles.fold} aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'down' : 'right'} size={12} />
        {frames.length === 1 ? '1 library frame' : `${frames.length} library frames`}
        <span className="cut">{packages.join(', ')}</span>
      </button>
      {open && frames.map((frame, i) => <Frame key={i} frame={frame} opened={false} />)}
    </>
  );
}

function Frame({ frame, opened }: { frame: CodeFrame; opened: boolean }) {
  const foldable = frame.code !== null || frame.locals !== null || frame.reason !== undefined;
  // Code may come later, from a source map: until somebody folds the frame, it is as it should be.
  const [chosen, setOpen] = useState<boolean | null>(null);
  const open = foldable && (chosen ?? opened);
  const firstLine = frame.line === null ? null : frame.line - frame.before.length;
  return (
    <div className={styles.frame} data-library={frame.library}>
      <button type="button" className={styles.head} aria-expanded={foldable ? open : undefined} disabled={!foldable} onClick={() => setOpen(!open)}>
        {foldable ? <Icon name={open ? 'down' : 'right'} size={12} /> : <i />}
        <b>{frame.function || '<anonymous>'}</b>
        {frame.reason && (
          <span className={styles.unmapped} title={frame.reason} data-testid="frame-reason">
            not mapped
          </span>
        )}
        <span className={styles.place} title={frame.minified ? `${frame.file}, in ${frame.minified}` : frame.file}>
          <bdi>
            {frame.file}
            {frame.line !== null && `:${frame.line}`}
            {frame.column !== null && `:${frame.column}`}
          </bdi>
        </span>
      </button>
      {open && frame.reason && <p className={styles.reason}>{frame.reason}</p>}
      {open && frame.code !== null && (
        <pre className={styles.code}>
          {[...frame.before, frame.code, ...frame.after].map((line, i) => (
            <div key={i} data-here={i === frame.before.length}>
              <i>{firstLine === null ? '' : firstLine + i}</i>
              <span>{line === '' ? ' ' : line}</span>
            </div>
          ))}
        </pre>
      )}
      {open && frame.locals && (
        <dl className={styles.locals}>
          {Object.entries(frame.locals).map(([name, value]) => [<dt key={`${name} name`}>{name}</dt>, <dd key={name}>{inline(value)}</dd>])}
        </dl>
      )}
    </div>
  );
}
