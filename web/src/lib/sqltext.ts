// A statement as people read it: clauses on their own lines, subqueries indented. Nothing is parsed; a text that is no
// SQL comes out with other blanks and nothing lost.

export type SqlKind = 'word' | 'keyword' | 'string' | 'number' | 'comment' | 'mark';

export interface SqlToken {
  kind: SqlKind;
  text: string;
}

const PIECES = /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:[^']|'')*'?)|("(?:[^"]|"")*"?|`[^`]*`?|\[[A-Za-z_]\w*\])|(\b\d+(?:\.\d+)?\b)|([A-Za-z_][\w$]*(?:\.[A-Za-z_*][\w$]*)*)|(::|<=>|[<>!]=|<>|\|\||->>?|[$:@%?]\w*|[^\s\w])/g;

const KEYWORDS = new Set(
  'select distinct from where group order by having limit offset fetch union all intersect except insert into values update set delete returning with recursive as on using join left right inner outer full cross natural lateral and or not in is null like ilike between exists case when then else end asc desc nulls first last over partition begin commit rollback savepoint create table index view drop alter conflict do nothing true false cast interval for share nowait skip locked replace ignore duplicate key limit array any some'.split(' '),
);

export function sqlTokens(text: string): SqlToken[] {
  const out: SqlToken[] = [];
  for (const [piece, comment, string, , number, word] of text.matchAll(PIECES)) {
    const kind: SqlKind = comment ? 'comment' : string ? 'string' : number ? 'number' : word && KEYWORDS.has(word.toLowerCase()) ? 'keyword' : word ? 'word' : 'mark';
    out.push({ kind: kind, text: piece });
  }
  return out;
}

/** Words that begin a line; two that belong together stay together. */
const CLAUSES = new Set('select from where group order having limit offset fetch union intersect except insert values update set delete returning with'.split(' '));
const JOINS = new Set('join left right inner full cross natural'.split(' '));
const LINE_MAX = 88;
const INDENT = '  ';

/** Lines of tokens with their depth; what is within one line is joined by the caller. */
export function formatSql(text: string): string {
  const tokens = sqlTokens(text);
  const lines: string[] = [];
  // Of each open bracket: where the lines of its subquery and what follows it stand; null for a list.
  const brackets: ({ closes: number; then: number } | null)[] = [];
  let depth = 0;
  let line = '';
  let inner = 0;
  let between = false;
  const lower = (at: number) => (tokens[at]?.kind === 'keyword' ? tokens[at].text.toLowerCase() : '');
  const flush = (deeper = 0) => {
    if (line.trim() !== '') lines.push(line.trimEnd());
    line = INDENT.repeat(depth + deeper);
  };
  tokens.forEach((token, at) => {
    const word = lower(at);
    const previous = lower(at - 1);
    const inList = brackets.length > 0 && !brackets[brackets.length - 1];
    if (!inList && CLAUSES.has(word) && !(previous === 'delete' && word === 'from') && !(word === 'from' && previous === 'distinct') && !(previous === 'do' || previous === 'for' || previous === 'key')) {
      flush();
      inner = 0;
    } else if (!inList && JOINS.has(word) && !JOINS.has(previous) && previous !== 'outer') {
      flush();
    } else if (!inList && (word === 'and' || word === 'or') && !(word === 'and' && between)) {
      flush(1);
    }
    if (word === 'between') between = true;
    else if (word === 'and') between = false;
    if (token.text === ')') {
      const subquery = brackets.pop() ?? null;
      if (subquery) {
        depth = subquery.closes;
        flush();
        depth = subquery.then;
      } else inner = Math.max(0, inner - 1);
    }
    line += spaced(line, tokens[at - 1], token) ? ` ${token.text}` : token.text;
    if (token.text === '(') {
      const subquery = lower(at + 1) === 'select' || lower(at + 1) === 'with';
      const closes = line.search(/\S/) / INDENT.length;
      brackets.push(subquery ? { closes, then: depth } : null);
      if (subquery) {
        depth = closes + 1;
        flush();
      } else inner += 1;
    } else if (token.text === ',' && inner === 0 && (lineLength(tokens, at) + line.length > LINE_MAX)) {
      flush(1);
    } else if (token.kind === 'comment' && token.text.startsWith('--')) flush();
    else if (token.text === ';') flush();
  });
  flush();
  return lines.join('\n');
}

/** Length of the next item of a list. */
function lineLength(tokens: SqlToken[], comma: number): number {
  let length = 0;
  for (let at = comma + 1; at < tokens.length && tokens[at]?.text !== ','; at += 1) {
    if (tokens[at]?.kind === 'keyword' && CLAUSES.has((tokens[at] as SqlToken).text.toLowerCase())) break;
    length += (tokens[at] as SqlToken).text.length + 1;
  }
  return length;
}

function spaced(line: string, previous: SqlToken | undefined, token: SqlToken): boolean {
  if (!previous || line.trim() === '') return false;
  if (/^[,;)\].]$/.test(token.text) || token.text === '::' || previous.text === '::' || previous.text === '(' || previous.text === '.' || previous.text === '[') return false;
  if (token.text === '(' || token.text === '[') return previous.kind !== 'word' && !(previous.kind === 'mark' && previous.text.startsWith('"'));
  return true;
}
