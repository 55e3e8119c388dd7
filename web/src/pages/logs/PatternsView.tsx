// What lines have in common: each pattern with how often it was there, when, and what changes in it.
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import * as api from '../../api/logs';
import type { LogPattern } from '../../api/logs';
import type { LogFilters } from '../../api/queries';
import { longestWords } from '../../lib/patterns';
import { count, percent, plural } from '../../lib/units';
import { Level } from '../../ui/Chip';
import { Button, CopyButton } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Sparkline } from '../../ui/Sparkline';
import { Empty, Failure, Loading } from '../../ui/State';
import { Ago } from '../../ui/Time';
import { useRowKeys } from '../common/rows';
import styles from './Logs.module.css';

export function PatternsView({ time, filters, onChoose, onInsights }: { time: string | undefined; filters: LogFilters; onChoose: (q: string) => void; onInsights: (query: string) => void }) {
  const { data, error, refetch, isPlaceholderData } = useQuery(api.patterns(time, filters));
  const [open, setOpen] = useState<string | null>(null);
  useRowKeys();
  if (error) return <Failure error={error} onRetry={() => void refetch()} title="The patterns could not be worked out" />;
  if (!data) return <Loading rows={14} label="Looking for patterns" />;
  if (data.patterns.length === 0) {
    return (
      <Empty title="No lines, no patterns">
        <p>Take away a filter, or choose a longer time range above.</p>
      </Empty>
    );
  }
  return (
    <div className={styles.patterns} data-testid="patterns" aria-busy={isPlaceholderData}>
      <div className={styles.patternHead} aria-hidden="true">
        <span />
        <span>Pattern</span>
        <span>Trend</span>
        <span>Lines</span>
        <span>Share</span>
        <span>Last</span>
      </div>
      {data.patterns.map((pattern) => (
        <div key={pattern.id} className={styles.patternRow} data-testid="pattern-row" data-open={open === pattern.id}>
          <button type="button" data-row="" className={styles.patternLine} aria-expanded={open === pattern.id} onClick={() => setOpen(open === pattern.id ? null : pattern.id)}>
            <span className={styles.patternLevel}>
              <Level number={pattern.severity_number} />
            </span>
            <span className={styles.pattern}>
              <Tokens text={pattern.pattern} />
            </span>
            <Sparkline values={pattern.trend} kind="bars" width={144} height={24} colour={pattern.severity_number >= 17 ? 'var(--level-error)' : pattern.severity_number >= 13 ? 'var(--level-warn)' : 'var(--bar-quiet)'} />
            <b>{count(pattern.count)}</b>
            <span>{percent(pattern.share)}</span>
            <span>
              <Ago nano={pattern.last_unix_nano} />
            </span>
          </button>
          {open === pattern.id && <Opened pattern={pattern} onChoose={onChoose} onInsights={onInsights} />}
        </div>
      ))}
      <p className={styles.patternsEnd}>{data.patterns.length < data.total ? `The ${data.patterns.length} most frequent of ${plural(data.total, 'pattern')}` : plural(data.total, 'pattern')} of {plural(data.lines, 'line')}</p>
    </div>
  );
}

function Tokens({ text }: { text: string }) {
  return text.split(/(<[A-Za-z]+-\d+>)/).map((piece, i) => (i % 2 === 1 ? <em key={i}>{piece.slice(1, -1).replace(/-\d+$/, '')}</em> : piece));
}

function Opened({ pattern, onChoose, onInsights }: { pattern: LogPattern; onChoose: (q: string) => void; onInsights: (query: string) => void }) {
  const q = longestWords(pattern.pattern);
  return (
    <div className={styles.opened}>
      <div className={styles.openedActions}>
        {q !== '' && (
          <Button onClick={() => onChoose(q)} data-testid="pattern-lines">
            <Icon name="lines" size={12} /> Its lines
          </Button>
        )}
        <Button onClick={() => onInsights(`filter @message like /${pattern.expression.replaceAll('/', '\\/')}/\n| stats count(*) as lines by bin(1m)`)}>Ask with Insights</Button>
        <CopyButton bare text={pattern.expression} label="Copy as a regular expression" />
        <span className="muted">
          first <Ago nano={pattern.first_unix_nano} />
        </span>
      </div>
      <pre>{pattern.sample}</pre>
      {pattern.tokens.length > 0 && (
        <div className={styles.tokens}>
          {pattern.tokens.map((token) => {
            const total = token.values.reduce((sum, value) => sum + value.count, 0) + token.others;
            return (
              <div key={token.name}>
                <h3>{token.name}</h3>
                {token.values.slice(0, 5).map((value) => (
                  <p key={value.value}>
                    <code className="cut" title={value.value}>
                      {value.value}
                    </code>
                    <span>{percent(value.count / total)}</span>
                  </p>
                ))}
                {token.others > 0 && (
                  <p>
                    <span className="muted">others</span>
                    <span>{percent(token.others / total)}</span>
                  </p>
                )}
              </div>
            );
          })}
        </div>
      )}
    </div>
  );
}
