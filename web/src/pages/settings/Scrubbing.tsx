// Scrubbing: what is taken out of what comes in before anything of it is written, and what was.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import * as api from '../../api/errorSettings';
import type { Scrubbing as Settings } from '../../api/errorSettings';
import * as queries from '../../api/queries';
import { nanoText } from '../../lib/alerts';
import { receiverName } from '../../lib/ids';
import { exact } from '../../lib/units';
import { Button } from '../../ui/Control';
import { Failure, Loading } from '../../ui/State';
import { Ago } from '../../ui/Time';
import { SaveError } from './Form';
import styles from './Settings.module.css';
import own from './ErrorSettings.module.css';

export function Scrubbing() {
  const { data, error, refetch } = useQuery(api.scrubbing());
  if (error && !data) return <Failure error={error} onRetry={() => void refetch()} title="The settings could not be read" />;
  if (!data) return <Loading rows={10} />;
  return <Form key={JSON.stringify(data)} kept={data} />;
}

const lines = (text: string) => text.split('\n').map((line) => line.trim()).filter(Boolean);

function Form({ kept }: { kept: Settings }) {
  const client = useQueryClient();
  const [draft, setDraft] = useState(kept);
  const [keys, setKeys] = useState(kept.keys.join('\n'));
  const [patterns, setPatterns] = useState(kept.patterns.join('\n'));
  const receivers = useQuery(queries.receivers());
  const hits = useQuery(api.scrubHits());
  const wanted: Settings = { ...draft, keys: lines(keys), patterns: lines(patterns) };
  const changed = JSON.stringify(wanted) !== JSON.stringify(kept);
  const save = useMutation({ mutationFn: () => api.putScrubbing(wanted), onSuccess: () => client.invalidateQueries({ queryKey: ['scrubbing'] }) });
  const all = draft.receivers.includes('*');
  const names = [...new Set([...(receivers.data?.receivers.map((one) => one.name) ?? []), ...draft.receivers.filter((name) => name !== '*')])].sort();
  const toggle = (name: string) => setDraft({ ...draft, receivers: draft.receivers.includes(name) ? draft.receivers.filter((one) => one !== name) : [...draft.receivers, name] });
  const check = (member: 'query_strings' | 'cards' | 'tokens', label: string, hint: string) => (
    <label className={styles.check}>
      <input type="checkbox" checked={draft[member]} disabled={!draft.enabled} onChange={(event) => setDraft({ ...draft, [member]: event.target.checked })} data-testid={`scrub-${member}`} />
      <span>
        {label}
        <i>{hint}</i>
      </span>
    </label>
  );
  return (
    <div className={styles.page}>
      <header className={styles.intro}>
        <p>Secrets are masked in what arrives, before anything of it is written: they are in no file, no log and no answer. It holds for what comes from now on.</p>
      </header>
      <form
        className={own.scrub}
        data-testid="scrubbing"
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <div>
          <label className={styles.check}>
            <input type="checkbox" checked={draft.enabled} onChange={(event) => setDraft({ ...draft, enabled: event.target.checked })} data-testid="scrub-enabled" />
            <span>
              Mask secrets
              <i>a body keeps its length and form; stars stand where a secret was</i>
            </span>
          </label>
          {check('query_strings', 'In addresses', 'values of secret names in query strings, and passwords')}
          {check('cards', 'Card numbers', 'told by their first digits, length and check digit')}
          {check('tokens', 'Tokens', 'bearer tokens, JWTs, and keys of well-known makers')}
          <h3>Of what arrives by</h3>
          <label className={own.choice}>
            <input type="checkbox" checked={all} disabled={!draft.enabled} onChange={() => setDraft({ ...draft, receivers: all ? ['rollbar', 'sentry'] : ['*'] })} />
            <span>every receiver</span>
            <i>costs a look at every byte</i>
          </label>
          {!all &&
            names.map((name) => (
              <label key={name} className={own.choice}>
                <input type="checkbox" checked={draft.receivers.includes(name)} disabled={!draft.enabled} onChange={() => toggle(name)} />
                <span>{receiverName(name)}</span>
              </label>
            ))}
        </div>
        <div>
          <label className={own.text}>
            <span>
              Names whose values go <i>one a line; case, dashes and underscores do not matter, headers are names too</i>
            </span>
            <textarea value={keys} rows={12} spellCheck={false} disabled={!draft.enabled} onChange={(event) => setKeys(event.target.value)} data-testid="scrub-keys" />
          </label>
          <label className={own.text}>
            <span>
              Patterns <i>regular expressions, one a line; what they match goes</i>
            </span>
            <textarea value={patterns} rows={4} spellCheck={false} disabled={!draft.enabled} placeholder="sk_live_[0-9a-zA-Z]{24}" onChange={(event) => setPatterns(event.target.value)} data-testid="scrub-patterns" />
          </label>
          <SaveError error={save.error} />
          <div className={styles.actions}>
            <Button primary type="submit" disabled={!changed || save.isPending} data-testid="scrub-save">
              {save.isPending ? 'Saving' : 'Save'}
            </Button>
            {changed && (
              <Button
                onClick={() => {
                  setDraft(kept);
                  setKeys(kept.keys.join('\n'));
                  setPatterns(kept.patterns.join('\n'));
                }}
              >
                As it was
              </Button>
            )}
          </div>
        </div>
        <section>
          <h3>
            What was taken out <span>since the server began; only where, never what</span>
          </h3>
          {(hits.data?.length ?? 0) === 0 ? (
            <p className="muted">Nothing yet.</p>
          ) : (
            <table data-testid="scrub-hits">
              <thead>
                <tr>
                  <th>By</th>
                  <th>Rule</th>
                  <th className="num">Times</th>
                  <th className="num">Last</th>
                </tr>
              </thead>
              <tbody>
                {hits.data?.map((one) => (
                  <tr key={`${one.receiver} ${one.rule}`}>
                    <td>{receiverName(one.receiver)}</td>
                    <td className="mono">{one.rule}</td>
                    <td className="num" title={`in ${exact(one.requests)} requests`}>
                      {exact(one.hits)}
                    </td>
                    <td className="num muted">
                      <Ago nano={nanoText(one.last_at_unix_nano)} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </section>
      </form>
    </div>
  );
}
