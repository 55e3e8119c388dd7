// An editor for a query of several lines. The part that needs CodeMirror is a chunk of its own, fetched when the first editor
// is shown; until then a plain field of the same size takes what is written.
import { lazy, Suspense } from 'react';
import styles from './Editor.module.css';

export interface EditorCompletion {
  label: string;
  /** What is written instead of the label. */
  apply?: string;
  kind: 'keyword' | 'function' | 'property';
  detail?: string;
  info?: string;
}

export interface EditorProps {
  value: string;
  onChange: (value: string) => void;
  /** Ctrl or Cmd and Enter. */
  onRun: () => void;
  label: string;
  placeholder?: string;
  /** What may stand at the caret; `before` is all text up to it. */
  complete: (before: string) => EditorCompletion[] | Promise<EditorCompletion[]>;
  /** Words that are coloured, by kind. */
  words: { commands: string[]; functions: string[] };
  /** Where the server says the fault is: a byte offset, and what it says. */
  fault?: { position: number | null; message: string } | null;
}

const Code = lazy(() => import('./EditorCode'));

export function Editor(props: EditorProps) {
  return (
    <div className={styles.editor} data-testid="editor">
      <Suspense fallback={<textarea aria-label={props.label} className={styles.plain} value={props.value} placeholder={props.placeholder} onChange={(event) => props.onChange(event.target.value)} />}>
        <Code {...props} />
      </Suspense>
    </div>
  );
}
