// After how many days without an occurrence errors are resolved by themselves.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import * as api from '../../api/errorSettings';
import { Button, Input } from '../../ui/Control';
import { SaveError } from './Form';
import own from './ErrorSettings.module.css';

export function Idle() {
  const { data } = useQuery(api.errorSettings());
  return data ? <Form key={String(data.resolved_after_days)} kept={data.resolved_after_days} /> : null;
}

function Form({ kept }: { kept: number | null }) {
  const client = useQueryClient();
  const [days, setDays] = useState(kept === null ? '' : String(kept));
  const wanted = days.trim() === '' ? null : Number(days);
  const wrong = wanted !== null && !(Number.isInteger(wanted) && wanted >= 1);
  const save = useMutation({ mutationFn: () => api.putErrorSettings({ resolved_after_days: wanted }), onSuccess: () => client.invalidateQueries({ queryKey: ['error-settings'] }) });
  return (
    <form
      className={own.idle}
      data-testid="idle"
      onSubmit={(event) => {
        event.preventDefault();
        if (!wrong) save.mutate();
      }}
    >
      <label>
        <span>Resolve errors that were not seen for</span>
        <Input value={days} inputMode="numeric" placeholder="never" aria-invalid={wrong} data-testid="idle-days" onChange={(event) => setDays(event.target.value)} />
        <span>{wanted === null ? '' : wanted === 1 ? 'day' : 'days'}</span>
      </label>
      {wanted !== kept && (
        <Button primary type="submit" disabled={wrong || save.isPending} data-testid="idle-save">
          Save
        </Button>
      )}
      <SaveError error={save.error} />
    </form>
  );
}
