// A field that a board is often narrowed by: its values to choose from.
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { fieldValues } from '../../api/explore';
import { EMPTY, type Filter } from '../../lib/question';
import styles from './Boards.module.css';

interface Props {
  preset: { column: string; alias: string };
  time: string | undefined;
  filters: Filter[];
  onChange: (filters: Filter[]) => void;
}

export function Preset({ preset, time, filters, onChange }: Props) {
  const { column, alias } = preset;
  const [touched, touch] = useState(false);
  const own = filters.find((one) => one.column === column && one.op === '=');
  const values = useQuery({ ...fieldValues(EMPTY, column, '', time), enabled: touched });
  const chosen = own ? String(own.value) : '';
  const known = (values.data ?? []).filter((one) => String(one.value) !== chosen);
  return (
    <label className={styles.preset} title={column}>
      {alias || column}
      <select
        value={chosen}
        onPointerEnter={() => touch(true)}
        onFocus={() => touch(true)}
        onChange={(event) => {
          const value = known.find((one) => String(one.value) === event.target.value)?.value;
          const rest = filters.filter((one) => one !== own);
          onChange(value === undefined || value === null ? rest : [...rest, { column, op: '=', value }]);
        }}
      >
        <option value="">any</option>
        {own && <option value={chosen}>{chosen}</option>}
        {known.map((one) => (
          <option key={String(one.value)} value={String(one.value)}>
            {String(one.value)}
          </option>
        ))}
      </select>
    </label>
  );
}
