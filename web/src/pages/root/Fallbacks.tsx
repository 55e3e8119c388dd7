// What stands in for a page: on its way, not there, broken.
import { Link, useRouter, type ErrorComponentProps } from '@tanstack/react-router';
import { Empty, Failure, Loading } from '../../ui/State';

export function PagePending() {
  return <Loading rows={12} label="Loading the page" />;
}

export function NotFound() {
  return (
    <Empty title="There is no page at this address">
      <p>
        The link may be from another version. Look at <Link to="/">Home</Link>, <Link to="/traces">Traces</Link>, <Link to="/logs">Logs</Link> or <Link to="/errors">Errors</Link>.
      </p>
    </Empty>
  );
}

export function PageFailure({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  return (
    <Failure
      title="This page broke"
      error={error instanceof Error ? error : new Error(String(error))}
      onRetry={() => {
        reset();
        void router.invalidate();
      }}
    />
  );
}
