// A stack trace as text, cut into frames. Python, JavaScript, Java, .NET, Ruby, Go and Rust are known; a line that is none of
// them stays text. Frames of libraries are told from the application's own by where their file lies.

export interface Frame {
  kind: 'frame';
  file: string;
  line: number | null;
  function: string;
  /** The line of source the trace itself carries, and other lines that hang below the frame. */
  source: string[];
  library: boolean;
}

export interface Note {
  kind: 'note';
  text: string;
}

export type StackLine = Frame | Note;

const LIBRARY =
  /site-packages|dist-packages|node_modules|^node:|internal\/|<frozen|\/lib\/python\d|\/gems\/|\/usr\/lib\/ruby|\/usr\/local\/go\/|\/go\/pkg\/mod\/|\/pkg\/mod\/|\/rustc\/|\/\.cargo\/registry\//;
const LIBRARY_NAMES = /^(?:java|javax|jakarta|jdk|sun|com\.sun|org\.springframework|org\.apache|kotlin|scala|io\.netty|System|Microsoft)\./;

/** Crates that every Rust program's stack goes through, also when the path of the file was cut off. */
const LIBRARY_CRATES = /^<?(?:core|std|alloc|tokio|hyper|axum|tower|futures_\w+|backtrace|rust_begin_unwind|__libc_start_main|_start$)\b/;

export function isLibrary(file: string, functionName: string): boolean {
  // Java writes a module before the class: `java.base/java.lang.Thread.run`.
  return LIBRARY.test(file) || LIBRARY_CRATES.test(functionName) || LIBRARY_NAMES.test(functionName.replace(/^[\w.@-]+\//, ''));
}

interface Shape {
  pattern: RegExp;
  file: number;
  line: number;
  function: number;
}

// A Go or Rust frame is two lines (function, then file); the first is found by the second and handled apart.
const SHAPES: Shape[] = [
  { pattern: /^\s*File "(.+?)", line (\d+)(?:, in (.+))?$/, file: 1, line: 2, function: 3 },
  { pattern: /^\s*at (?:async )?(.+?) \((.+?):(\d+)(?::\d+)?\)$/, file: 2, line: 3, function: 1 },
  { pattern: /^\s*at (.+?) in (.+?):line (\d+)$/, file: 2, line: 3, function: 1 },
  { pattern: /^\s*at (?:async )?((?:node:|file:|\/|[A-Za-z]:\\)[^\s()]+?):(\d+)(?::\d+)?$/, file: 1, line: 2, function: 4 },
  { pattern: /^\s*at ([\w$.<>/@-]+)\(([^():]*)(?::(\d+))?\)$/, file: 2, line: 3, function: 1 },
  { pattern: /^\s*at ([\w.`<>[\],+]+\([^)]*\))$/, file: 4, line: 4, function: 1 },
  { pattern: /^\s*(?:from )?(\S+?\.rb):(\d+):in [`'](.+)'$/, file: 1, line: 2, function: 3 },
  { pattern: /^\s*at (\S+?\.rs):(\d+)(?::\d+)?$/, file: 1, line: 2, function: 4 },
  { pattern: /^\t(\/\S+?\.go):(\d+)(?: \+0x[0-9a-f]+)?$/, file: 1, line: 2, function: 4 },
];

/** `   3: cruddur::insert_activity`, with the address some backtraces write before the name. */
const RUST_FUNCTION = /^\s*\d+:\s+(?:0x[0-9a-f]+ - )?(\S.*)$/;

export function parseStack(text: string): StackLine[] {
  const out: StackLine[] = [];
  const isRust = /^stack backtrace:/m.test(text);
  for (const raw of text.replace(/\r/g, '').split('\n')) {
    const frame = frameFrom(raw) ?? (isRust ? rustFunctionFrom(raw) : null);
    const last = out[out.length - 1];
    if (frame) {
      if (frame.function === '' && last?.kind === 'note' && /\)$/.test(last.text) && frame.file.endsWith('.go')) {
        frame.function = last.text.trim();
        out.pop();
      }
      if (frame.function === '' && last?.kind === 'frame' && last.file === '') {
        frame.function = last.function;
        frame.library = isLibrary(frame.file, frame.function);
        out.pop();
      }
      out.push(frame);
    } else if (raw.trim() === '') {
      continue;
    } else if (last?.kind === 'frame' && /^\s{2,}/.test(raw)) {
      if (!/^\s*[~^]+\s*$/.test(raw)) last.source.push(raw.trim());
    } else {
      out.push({ kind: 'note', text: raw });
    }
  }
  return out;
}

/** Where a release build has no line for the file, the function is all there is. */
function rustFunctionFrom(raw: string): Frame | null {
  const name = RUST_FUNCTION.exec(raw)?.[1];
  return name === undefined ? null : { kind: 'frame', file: '', line: null, function: name, source: [], library: isLibrary('', name) };
}

function frameFrom(raw: string): Frame | null {
  for (const shape of SHAPES) {
    const match = shape.pattern.exec(raw);
    if (!match) continue;
    const file = match[shape.file] ?? '';
    const name = match[shape.function] ?? '';
    const line = match[shape.line];
    return {
      kind: 'frame',
      file,
      line: line === undefined ? null : Number(line),
      function: name,
      source: [],
      library: isLibrary(file, name),
    };
  }
  return null;
}

export type StackGroup = { kind: 'library'; frames: Frame[] } | { kind: 'line'; line: StackLine };

/** Runs of library frames become one group each; a run of one is not worth a fold. */
export function foldLibraries(lines: StackLine[]): StackGroup[] {
  const out: StackGroup[] = [];
  for (const line of lines) {
    const last = out[out.length - 1];
    if (line.kind === 'frame' && line.library) {
      if (last?.kind === 'library') last.frames.push(line);
      else out.push({ kind: 'library', frames: [line] });
    } else {
      out.push({ kind: 'line', line });
    }
  }
  return out;
}
