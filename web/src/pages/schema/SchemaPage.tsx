// Schema: every field that was told, with its type.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import * as kept from '../../api/kept';
import { Input } from '../../ui/Control';
import { Failure, Loading } from '../../ui/State';
import { useSetSearch } from '../common/search';

const here = getRouteApi('/schema');

export function SchemaPage() {
  const { q = '' } = here.useSearch();
  const setSearch = useSetSearch();
  const { data, error, refetch } = useQuery(kept.fields());
  if (error) return <Failure error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading rows={12} />;
  return (
    <>
      <Input value={q} placeholder="find a field" aria-label="Find a field" data-search="" onChange={(event) => setSearch({ q: event.target.value || undefined }, true)} />
      <table>
        <tbody>
          {data
            .filter((field) => field.key_name.includes(q))
            .map((field) => (
              <tr key={field.id}>
                <td className="mono">{field.key_name}</td>
                <td className="muted">{field.type}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </>
  );
}
