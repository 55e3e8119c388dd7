// The search line of *Traces*: plain search or an X-Ray filter expression. Which of the two is said at its left end,
// follows what is written, and is changed by a click.
import { useEffect, useRef, useState } from 'react';
import { filterCompletingAt, languageOf, withClause, type Language } from '../../lib/filter';
import { completingAt } from '../../lib/search';
import { SearchBar } from '../../ui/SearchBar';
import { useFilterSuggest } from '../common/expression';
import { useSuggest } from '../common/suggest';
import styles from './Traces.module.css';

const NAMES: Record<Language, string> = { search: 'Search', filter: 'Filter expression' };
const PLACEHOLDERS: Record<Language, string> = {
  search: 'words, http.route = "/api/x", duration > 250ms, a trace id, or an X-Ray filter expression',
  filter: 'service("api") { fault } AND http.status = 500, annotation.user = "ann", responsetime > 2',
};

interface Props {
  q: string;
  filter: string;
  time: string | undefined;
  invalid: boolean;
  /** The language whose text stands in the line; the other's is shown elsewhere. */
  shown: Language;
  onShow: (language: Language) => void;
  onSend: (patch: { q?: string; filter?: string }) => void;
}

export function SearchLine({ q, filter, time, invalid, shown, onShow, onSend }: Props) {
  const value = shown === 'filter' ? filter : q;
  const [language, setLanguage] = useState(shown);
  const draft = useRef(value);
  /** What a person chose by hand is not decided again until the line is empty. */
  const pinned = useRef(false);
  const searched = useSuggest('spans', time);
  const filtered = useFilterSuggest(time);
  useEffect(() => {
    draft.current = value;
    setLanguage(shown);
  }, [value, shown]);

  const other: Language = language === 'filter' ? 'search' : 'filter';
  const turn = () => {
    pinned.current = true;
    setLanguage(other);
    // A line that is being written keeps its text and is read in the other language; otherwise the other text is shown.
    if (draft.current.trim() === value.trim()) onShow(other);
  };
  const send = (text: string) => {
    pinned.current = false;
    if (language === shown) return onSend(language === 'filter' ? { filter: text } : { q: text });
    onSend(language === 'filter' ? { q: '', filter: filter === '' ? text : withClause(filter, text) } : { filter: '', q: q === '' ? text : `${q} ${text}` });
    onShow(language);
  };
  return (
    <SearchBar
      value={value}
      invalid={invalid}
      placeholder={PLACEHOLDERS[language]}
      label={NAMES[language]}
      suggest={language === 'filter' ? filtered : searched}
      completing={language === 'filter' ? filterCompletingAt : completingAt}
      onSearch={send}
      onText={(text) => {
        draft.current = text;
        if (text.trim() === '') pinned.current = false;
        const sure = languageOf(text);
        if (sure !== null && !pinned.current) setLanguage(sure);
      }}
      lead={
        <button type="button" className={styles.language} data-language={language} onMouseDown={(event) => event.preventDefault()} onClick={turn} title={`Read as ${NAMES[language].toLowerCase()}; click to read as ${NAMES[other].toLowerCase()}`} data-testid="language">
          {NAMES[language]}
        </button>
      }
    />
  );
}
