// A question's answer as it comes: estimates first, then the whole; the one before stays in sight meanwhile.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { runQuestion, type Told } from '../../../api/explore';
import type { Question } from '../../../lib/question';

const LIVE_MS = 10_000;

export interface Asked {
  told: Told | null;
  /** Whether what is told belongs to the question that stands there now. */
  isCurrent: boolean;
  isRunning: boolean;
  error: Error | null;
  cancel: () => void;
  retry: () => void;
}

export function useAnswer(question: Question, time: string | undefined, live = false): Asked {
  const client = useQueryClient();
  const key = ['explore', 'answer', question, time];
  const text = JSON.stringify(key);
  const [coming, setComing] = useState<{ text: string; told: Told } | null>(null);
  const asked = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => runQuestion(question, time, (told) => setComing({ text, told }), signal),
    refetchInterval: live ? LIVE_MS : false,
    retry: false,
    staleTime: 5_000,
  });
  const last = useRef<Told | null>(null);
  useEffect(() => {
    if (asked.data) last.current = asked.data;
  }, [asked.data]);
  const own = asked.data ?? (coming?.text === text && coming.told.answer ? coming.told : null);
  const told = own ?? last.current;
  const progress = asked.isFetching && coming?.text === text ? coming.told.progress : null;
  const cancel = useCallback(() => void client.cancelQueries({ queryKey: JSON.parse(text) as unknown[] }), [client, text]);
  const { refetch } = asked;
  const retry = useCallback(() => void refetch(), [refetch]);
  return { told: told && { ...told, progress }, isCurrent: own !== null, isRunning: asked.isFetching, error: asked.error, cancel, retry };
}
