// What happened to an error and what people said of it, in one order.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import * as api from '../../api/errors';
import { members } from '../../api/errorSettings';
import type { ErrorEvent, ErrorPageAnswer } from '../../api/errors';
import { plural } from '../../lib/units';
import { Button, Input } from '../../ui/Control';
import { Ago, Time } from '../../ui/Time';
import { myName, rememberMyName } from '../common/errorActions';
import styles from './Error.module.css';

const LEVELS: Record<number, string> = { 10: 'debug', 20: 'info', 30: 'warning', 40: 'error', 50: 'critical' };

export function History({ data, group }: { data: ErrorPageAnswer; group: string }) {
  const merged = useQuery(members(data.history.some((event) => /merged/.test(event.kind)) ? data.item.id : undefined));
  const named = (id: unknown): string => {
    const one = merged.data?.find((member) => member.id === id);
    return one ? `#${one.counter} ${one.title}` : 'Another error';
  };
  const events = data.history.filter((event) => event.kind !== 'commented').map((event) => ({ at: event.at_unix_nano, event, comment: null }));
  const comments = data.comments.map((comment) => ({ at: comment.at_unix_nano, event: null, comment }));
  const all = [...events, ...comments].sort((a, b) => (BigInt(a.at) < BigInt(b.at) ? 1 : -1));
  return (
    <section className={styles.section} data-testid="history">
      <CommentForm group={group} />
      <ol className={styles.history}>
        {all.map((one, i) => (
          <li key={i} data-kind={one.event?.kind ?? 'comment'}>
            <i aria-hidden="true" />
            <span className={styles.when}>
              <Ago nano={one.at} />
              <Time nano={one.at} ms={false} />
            </span>
            {one.comment ? (
              <div className={styles.comment}>
                <b>{one.comment.author || 'somebody'}</b>
                <p>{one.comment.body}</p>
              </div>
            ) : (
              <span>{sentence(one.event, named)}</span>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

/** What happened, in a sentence. */
export function sentence(event: ErrorEvent, named: (id: unknown) => string): string {
  const details = event.details as Record<string, unknown>;
  const told = (key: string) => (details[key] === null || details[key] === undefined || details[key] === '' ? '' : String(details[key]));
  const where = [told('version') && `in version ${told('version')}`, told('environment') && `in ${told('environment')}`].filter(Boolean).join(', ');
  switch (event.kind) {
    case 'new':
      return `Seen for the first time${where ? ` ${where}` : ''}`;
    case 'reactivated':
      return `Happened again${where ? ` ${where}` : ''}, and is active`;
    case 'reopened':
      return `Reopened${told('from') ? `, it was ${told('from')}` : ''}`;
    case 'resolved':
      return `Resolved${told('version') ? ` in version ${told('version')}` : ''}${told('unseen_days') ? `, not seen for ${plural(Number(details.unseen_days), 'day')}` : ''}`;
    case 'muted':
      return 'Muted';
    case 'archived':
      return 'Archived';
    case 'level':
      return `Level ${LEVELS[Number(details.from)] ?? told('from')} became ${LEVELS[Number(details.to)] ?? told('to')}`;
    case 'title':
      return `Renamed from “${told('from')}”`;
    case 'assigned': {
      const to = told('to_user') || told('to_team');
      return to ? `Given to ${to}` : `Taken from ${told('from_user') || told('from_team') || 'somebody'}`;
    }
    case 'snoozed':
      return told('until') ? `Snoozed until ${new Date(Number(details.until) * 1000).toLocaleString()}` : 'Woken';
    case 'created':
      return `Made of ${Array.isArray(details.merged) ? details.merged.length : 'several'} errors`;
    case 'issue':
      return told('to') ? `Linked to ${told('to')}` : `No longer linked to ${told('from')}`;
    case 'merged':
      return `${named(details.member)} became part of it`;
    case 'unmerged':
      return `${named(details.member)} was taken out`;
    default:
      return event.kind;
  }
}

function CommentForm({ group }: { group: string }) {
  const client = useQueryClient();
  const [author, setAuthor] = useState(myName);
  const [body, setBody] = useState('');
  const add = useMutation({
    mutationFn: () => api.addComment(group, author.trim(), body.trim()),
    onSuccess: async () => {
      rememberMyName(author.trim());
      setBody('');
      await client.invalidateQueries({ queryKey: ['errors', 'item'] });
    },
  });
  return (
    <form
      className={styles.write}
      onSubmit={(event) => {
        event.preventDefault();
        if (body.trim() !== '') add.mutate();
      }}
    >
      <textarea value={body} rows={2} placeholder="What is known, what was tried" aria-label="Comment" data-testid="comment" onChange={(event) => setBody(event.target.value)} />
      <div>
        <Input value={author} placeholder="your name" aria-label="Your name" onChange={(event) => setAuthor(event.target.value)} />
        <Button primary type="submit" disabled={body.trim() === '' || add.isPending} data-testid="comment-add">
          {add.isPending ? 'Saving' : 'Comment'}
        </Button>
        {add.error && (
          <span role="alert" className={styles.wrong}>
            {add.error.message}
          </span>
        )}
      </div>
    </form>
  );
}
