// The issue of a tracker in which an error is worked on.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import * as api from '../../api/errors';
import type { ErrorPageAnswer } from '../../api/errors';
import { BareButton, Button, Input } from '../../ui/Control';
import styles from './Error.module.css';

/** The last parts of the address: what people call it. */
const short = (url: string): string => {
  const parts = url.replace(/^https?:\/\//, '').split(/[/?#]/).filter(Boolean);
  return parts.length > 3 ? `${parts[0]} … ${parts.slice(-2).join('/')}` : parts.join('/');
};

export function Issue({ data, group }: { data: ErrorPageAnswer; group: string }) {
  const client = useQueryClient();
  const [draft, setDraft] = useState<string | null>(null);
  const link = useMutation({
    mutationFn: (url: string) => api.linkIssue(group, url),
    onSuccess: async () => {
      setDraft(null);
      await client.invalidateQueries({ queryKey: ['errors'] });
    },
  });
  return (
    <section className={styles.section} data-testid="issue">
      <header>
        <h2>Issue</h2>
        {data.issue && draft === null && <BareButton icon="close" label="Take the link away" disabled={link.isPending} onClick={() => link.mutate('')} />}
      </header>
      {data.issue && draft === null && (
        <a className="cut" href={data.issue} title={data.issue} target="_blank" rel="noreferrer noopener">
          {short(data.issue)}
        </a>
      )}
      {!data.issue && draft === null && (
        <button type="button" className={styles.quiet} onClick={() => setDraft('')} data-testid="issue-link">
          Link the issue that mends it
        </button>
      )}
      {draft !== null && (
        <form
          className={styles.splitting}
          onSubmit={(event) => {
            event.preventDefault();
            if (draft.trim() !== '') link.mutate(draft.trim());
          }}
        >
          <div>
            <Input autoFocus value={draft} placeholder="https://…" aria-label="Address of the issue" data-testid="issue-url" onChange={(event) => setDraft(event.target.value)} />
            <Button primary type="submit" disabled={draft.trim() === '' || link.isPending} data-testid="issue-save">
              Link
            </Button>
            <Button onClick={() => setDraft(null)}>Cancel</Button>
          </div>
        </form>
      )}
      {link.error && (
        <p role="alert" className={styles.wrong}>
          {link.error.message}
        </p>
      )}
    </section>
  );
}
