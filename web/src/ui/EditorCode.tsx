// The editor's part that needs CodeMirror.
import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, type CompletionContext, type CompletionResult } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, StreamLanguage, syntaxHighlighting, type StringStream } from '@codemirror/language';
import { setDiagnostics } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers, placeholder as placeholderOf } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useRef } from 'react';
import type { EditorProps } from './Editor';

const WORD = /[@\w.`$-]*$/;

/** Words, texts, patterns, numbers and remarks; enough for languages of pipes and for SQL. */
function languageOf(words: EditorProps['words']) {
  const commands = new Set(words.commands.map((word) => word.toLowerCase()));
  const functions = new Set(words.functions.map((word) => word.toLowerCase()));
  const operators = new Set(['and', 'or', 'not', 'like', 'in', 'as', 'by', 'asc', 'desc', 'where']);
  return StreamLanguage.define({
    token(stream: StringStream): string | null {
      if (stream.eatSpace()) return null;
      if (stream.match(/^(#|--).*/)) return 'comment';
      if (stream.match(/^"(?:[^"\\]|\\.)*"?/) || stream.match(/^'(?:[^'\\]|\\.)*'?/)) return 'string';
      if (stream.match(/^\/(?:[^/\\]|\\.)+\//)) return 'regexp';
      if (stream.match(/^\d+(\.\d+)?[a-z]*/)) return 'number';
      if (stream.match(/^`[^`]*`?/) || stream.match(/^@\w+/)) return 'propertyName';
      if (stream.match('|')) return 'separator';
      const word = stream.match(/^[A-Za-z_][\w.]*/) as RegExpMatchArray | null;
      if (word) {
        const text = word[0].toLowerCase();
        if (functions.has(text) && stream.match(/^\s*\(/, false)) return 'function';
        if (commands.has(text)) return 'keyword';
        if (operators.has(text)) return 'operatorKeyword';
        return 'variableName';
      }
      stream.next();
      return null;
    },
    tokenTable: { function: tags.function(tags.variableName) },
  });
}

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--accent)', fontWeight: '600' },
  { tag: tags.operatorKeyword, color: 'var(--accent)' },
  { tag: tags.function(tags.variableName), color: 'var(--throttle)' },
  { tag: tags.propertyName, color: 'var(--level-info)' },
  { tag: tags.string, color: 'var(--ok)' },
  { tag: tags.regexp, color: 'var(--error)' },
  { tag: tags.number, color: 'var(--error)' },
  { tag: tags.separator, color: 'var(--ink-3)', fontWeight: '600' },
  { tag: tags.comment, color: 'var(--ink-3)', fontStyle: 'italic' },
]);

const look = EditorView.theme({
  '&': { fontSize: 'var(--size-data)', backgroundColor: 'transparent', color: 'var(--ink)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--font-data)', lineHeight: '1.6' },
  '.cm-content': { padding: '6px 0', caretColor: 'var(--ink)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '.cm-gutters': { backgroundColor: 'transparent', border: 'none', color: 'var(--ink-3)' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'transparent' },
  '&.cm-focused .cm-activeLine': { backgroundColor: 'var(--hover)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--accent-soft)' },
  '.cm-placeholder': { color: 'var(--ink-3)' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', border: '1px solid var(--hairline-strong)', borderRadius: '5px', boxShadow: 'var(--shadow)', color: 'var(--ink)' },
  '.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--font-data)', maxHeight: '260px' },
  '.cm-tooltip-autocomplete > ul > li': { padding: '2px 8px', lineHeight: '1.5' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--chosen)', color: 'var(--ink)' },
  '.cm-completionDetail': { color: 'var(--ink-3)', fontStyle: 'normal', marginLeft: '12px' },
  '.cm-completionInfo': { padding: '6px 10px', maxWidth: '320px', fontFamily: 'var(--font-text)' },
  '.cm-completionMatchedText': { textDecoration: 'none', color: 'var(--accent)' },
  '.cm-diagnostic': { padding: '4px 10px', borderLeft: '3px solid var(--fault)', fontFamily: 'var(--font-text)' },
  '.cm-matchingBracket, &.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--accent-soft)' },
});

export default function EditorCode(props: EditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const words = JSON.stringify(props.words);

  useEffect(() => {
    if (!place.current) return undefined;
    const complete = async (context: CompletionContext): Promise<CompletionResult | null> => {
      const word = context.matchBefore(WORD);
      if (!word || (word.from === word.to && !context.explicit && !/[|\s(,]$/.test(context.state.sliceDoc(Math.max(0, context.pos - 1), context.pos)))) return null;
      const options = await latest.current.complete(context.state.sliceDoc(0, context.pos));
      return { from: word.from, options: options.map((one) => ({ label: one.label, apply: one.apply, type: one.kind, detail: one.detail, info: one.info })), validFor: /^[@\w.`$-]*$/ };
    };
    const made = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: latest.current.value,
        extensions: [
          lineNumbers(),
          history(),
          drawSelection(),
          bracketMatching(),
          closeBrackets(),
          highlightActiveLine(),
          EditorView.lineWrapping,
          languageOf(JSON.parse(words) as EditorProps['words']),
          syntaxHighlighting(colours),
          autocompletion({ override: [complete], icons: false }),
          placeholderOf(latest.current.placeholder ?? ''),
          EditorView.contentAttributes.of({ 'aria-label': latest.current.label, 'data-search': '' }),
          keymap.of([
            { key: 'Mod-Enter', run: () => (latest.current.onRun(), true) },
            { key: 'Tab', run: acceptCompletion },
            ...closeBracketsKeymap,
            ...completionKeymap,
            ...defaultKeymap,
            ...historyKeymap,
          ]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange(update.state.doc.toString());
          }),
          look,
        ],
      }),
    });
    view.current = made;
    return () => {
      view.current = null;
      made.destroy();
    };
  }, [words]);

  useEffect(() => {
    const made = view.current;
    if (made && made.state.doc.toString() !== props.value) made.dispatch({ changes: { from: 0, to: made.state.doc.length, insert: props.value } });
  }, [props.value]);

  const { fault } = props;
  useEffect(() => {
    const made = view.current;
    if (!made) return;
    const text = made.state.doc.toString();
    const from = fault?.position === null || fault?.position === undefined ? null : charactersOf(text, fault.position);
    const end = from === null ? 0 : Math.max(from + (/^[\w.@]+|^\S/.exec(text.slice(from))?.[0].length ?? 0), Math.min(from + 1, text.length));
    const shown = from === null || !fault ? [] : [{ from: Math.min(from, Math.max(0, text.length - 1)), to: Math.max(end, Math.min(text.length, from + 1)), severity: 'error' as const, message: fault.message }];
    made.dispatch(setDiagnostics(made.state, shown));
  }, [fault, words]);

  return <div ref={place} style={{ height: '100%' }} />;
}

/** Positions count bytes of UTF-8; the editor counts UTF-16. */
function charactersOf(text: string, bytes: number): number {
  return new TextDecoder().decode(new TextEncoder().encode(text).slice(0, bytes)).length;
}
