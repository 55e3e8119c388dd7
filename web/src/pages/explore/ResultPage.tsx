// Where the links of kept query results lead: on to Explore, with the result's question over the time it was asked about.
import { useQuery } from '@tanstack/react-query';
import { Navigate, useParams } from '@tanstack/react-router';
import { keptResult } from '../../api/explore';
import { msFromNano, paramFromRange } from '../../lib/time';
import { questionOf, timeOf } from '../../lib/question';
import { Failure, Loading } from '../../ui/State';
import { paramsOf } from '../common/question/state';

export function ResultPage() {
  const { dataset = '', result = '' } = useParams({ strict: false });
  const kept = useQuery(keptResult(dataset, result));
  if (kept.error) return <Failure title="This result is not here" error={kept.error} onRetry={() => void kept.refetch()} />;
  if (!kept.data) return <Loading rows={12} label="Loading the question" />;
  const { query, start_unix_nano: start, end_unix_nano: end } = kept.data;
  const asked = start && end ? paramFromRange({ start: msFromNano(start), end: msFromNano(end) }) : undefined;
  const question = paramsOf(questionOf(query, kept.data.dataset ?? undefined));
  return <Navigate to="/explore" search={{ ...question, time: asked ?? timeOf(query) }} replace />;
}
