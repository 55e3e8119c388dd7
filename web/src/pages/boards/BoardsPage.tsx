// Boards: the questions worth coming back to, side by side.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import * as kept from '../../api/kept';
import { ago } from '../../lib/time';
import { plural } from '../../lib/units';
import { Button, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Empty, Failure, Loading } from '../../ui/State';
import { useNow } from '../../ui/Time';
import { useRowKeys } from '../common/rows';
import { useSetSearch } from '../common/search';
import styles from './Boards.module.css';
import { STARTERS, starterPanels, type Starter } from './starters';

const here = getRouteApi('/boards');

export function BoardsPage() {
  const { q = '' } = here.useSearch();
  const setSearch = useSetSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const now = useNow(30_000);
  const [name, setName] = useState('');
  const { data, error, refetch } = useQuery(kept.boards());
  useRowKeys();
  const make = useMutation({
    mutationFn: async (starter: Starter | null) => kept.keepBoard({ name: starter?.name ?? (name.trim() || 'Board'), description: starter?.description, panels: starter ? await starterPanels(starter) : [] }),
    onSuccess: (board) => {
      void client.invalidateQueries({ queryKey: ['kept', 'boards'] });
      void navigate({ to: '/boards/$board', params: { board: board.id }, search: board.panels.length === 0 ? { edit: '1' } : {} });
    },
  });
  if (error) return <Failure error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading rows={8} />;
  const wanted = q.toLowerCase();
  const shown = data.filter((board) => `${board.name} ${board.description ?? ''}`.toLowerCase().includes(wanted)).sort((a, b) => a.name.localeCompare(b.name));
  return (
    <div className={styles.page}>
      <div className={styles.bar}>
        <Input value={q} placeholder="find a board" aria-label="Find a board" data-search="" onChange={(event) => setSearch({ q: event.target.value || undefined }, true)} />
        <form
          onSubmit={(event) => {
            event.preventDefault();
            make.mutate(null);
          }}
        >
          <Input value={name} placeholder="name of a new board" aria-label="Name of a new board" onChange={(event) => setName(event.target.value)} data-testid="board-name" />
          <Button primary type="submit" disabled={make.isPending} data-testid="board-new">
            <Icon name="plus" /> New board
          </Button>
        </form>
      </div>
      {make.error && <Failure error={make.error} title="The board could not be made" />}
      {shown.length > 0 ? (
        <table className={styles.table} data-testid="boards">
          <thead>
            <tr>
              <th>Board</th>
              <th>About</th>
              <th className="num">Panels</th>
              <th className="num">Changed</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((board) => (
              <tr key={board.id} data-testid="board-row">
                <td>
                  <Link to="/boards/$board" params={{ board: board.id }} data-row="">
                    {board.name}
                  </Link>
                </td>
                <td className="muted cut">{board.description}</td>
                <td className="num">{board.panels.length}</td>
                <td className="num muted">{board.updated_at ? ago(Date.parse(board.updated_at), now) : ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <Empty title={data.length === 0 ? 'No boards yet' : 'No board is called so'}>
          <p>
            A board holds questions and notes side by side, under one time range and one filter. Ask something in <Link to="/explore">Explore</Link> and choose <b>Board</b> there; boards made through Honeycomb’s API or Terraform are listed here too.
          </p>
        </Empty>
      )}
      {data.length < 3 && (
        <section className={styles.starters}>
          <h2>Boards to begin with</h2>
          <div>
            {STARTERS.filter((starter) => !data.some((board) => board.name === starter.name)).map((starter) => (
              <button key={starter.name} type="button" disabled={make.isPending} onClick={() => make.mutate(starter)} data-testid="starter">
                <b>{starter.name}</b>
                <span>{starter.description}</span>
                <span className="muted">{plural(starter.panels.length, 'panel')}</span>
              </button>
            ))}
          </div>
        </section>
      )}
    </div>
  );
}
