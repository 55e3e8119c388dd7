// Source maps: which files of which versions can be told as people wrote them.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import * as api from '../../api/errorSettings';
import { bytes, plural } from '../../lib/units';
import { Button, CopyBlock, Input } from '../../ui/Control';
import { Failure, Loading } from '../../ui/State';
import { Ago } from '../../ui/Time';
import { Confirm, Field, SaveError } from './Form';
import styles from './Settings.module.css';
import own from './ErrorSettings.module.css';

const upload = () =>
  `curl ${location.origin}/api/1/sourcemap -F access_token=any \\\n  -F version="$(git rev-parse HEAD)" -F minified_url=//shop.example/assets/app.min.js \\\n  -F source_map=@dist/assets/app.min.js.map`;

const sentryCli = () =>
  `export SENTRY_URL=${location.origin} SENTRY_AUTH_TOKEN=any\nexport SENTRY_ORG=any SENTRY_PROJECT=any\nsentry-cli sourcemaps inject dist\nsentry-cli sourcemaps upload dist`;

function FromABuild() {
  return (
    <div className={own.ways}>
      <p>As to Rollbar, by version and address:</p>
      <CopyBlock text={upload()} />
      <p>As to Sentry, by debug ids:</p>
      <CopyBlock text={sentryCli()} />
    </div>
  );
}

export function SourceMaps() {
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(api.sourceMaps());
  const again = () => client.invalidateQueries({ queryKey: ['source-maps'] });
  const [version, setVersion] = useState('');
  const [url, setUrl] = useState('');
  const [file, setFile] = useState<File | null>(null);
  const [find, setFind] = useState('');
  const send = useMutation({
    mutationFn: () => api.uploadSourceMap(version.trim(), url.trim(), file as File),
    onSuccess: async () => {
      setFile(null);
      await again();
    },
  });
  const remove = useMutation({ mutationFn: api.deleteSourceMap, onSettled: again });
  if (error && !data) return <Failure error={error} onRetry={() => void refetch()} title="The source maps could not be read" />;
  if (!data) return <Loading rows={8} label="Reading the source maps" />;
  const shown = data.filter((one) => `${one.version} ${one.minified_url}`.toLowerCase().includes(find.trim().toLowerCase()));
  return (
    <div className={styles.page}>
      <header className={styles.intro}>
        <p>Frames of minified JavaScript are mapped when they are read: a map that is uploaded late mends what came before it. The version is the one that occurrences tell as their code version; scheme and query of the address do not matter. A map with a debug id is found by it, whatever the version.</p>
      </header>
      <form
        className={own.row}
        onSubmit={(event) => {
          event.preventDefault();
          if (version.trim() !== '' && url.trim() !== '' && file) send.mutate();
        }}
      >
        <Field label="Version">
          <Input value={version} className={styles.mono} placeholder="2.5.0 or a commit" data-testid="map-version" onChange={(event) => setVersion(event.target.value)} />
        </Field>
        <Field label="Address of the minified file">
          <Input value={url} className={styles.mono} placeholder="//shop.example/assets/app.min.js" data-testid="map-url" onChange={(event) => setUrl(event.target.value)} />
        </Field>
        <Field label="Source map">
          <input type="file" accept=".map,.json,application/json" data-testid="map-file" onChange={(event) => setFile(event.target.files?.[0] ?? null)} />
        </Field>
        <Button primary type="submit" disabled={version.trim() === '' || url.trim() === '' || !file || send.isPending} data-testid="map-upload">
          {send.isPending ? 'Uploading' : 'Upload'}
        </Button>
      </form>
      <div className={own.inset}>
        <SaveError error={send.error ?? remove.error} />
      </div>
      {data.length === 0 ? (
        <div className={styles.none} data-testid="empty">
          <h2>No source map was uploaded yet</h2>
          <p>Builds upload them by themselves; what uploads to Rollbar or Sentry needs only another address.</p>
          <FromABuild />
        </div>
      ) : (
        <>
          {data.length > 8 && (
            <div className={own.inset}>
              <Input value={find} placeholder="part of a version or address" aria-label="Find a source map" onChange={(event) => setFind(event.target.value)} />
            </div>
          )}
          <table className={styles.rules} data-testid="source-maps">
            <thead>
              <tr>
                <th>Minified file</th>
                <th>Version</th>
                <th className="num">Sources</th>
                <th className="num">Size</th>
                <th className="num">Uploaded</th>
                <th aria-label="Actions" />
              </tr>
            </thead>
            <tbody className={own.plain}>
              {shown.map((one) => (
                <tr key={one.id} data-testid="source-map-row">
                  <td className={own.wide}>
                    <span className="mono" title={one.minified_url}>
                      {one.minified_url}
                    </span>
                  </td>
                  <td className="mono" title={[one.version, one.debug_id && `debug id ${one.debug_id}`].filter(Boolean).join('\n')}>
                    {one.version === '' ? `id ${one.debug_id.slice(0, 8)}…` : one.version.length > 20 ? `${one.version.slice(0, 12)}…` : one.version}
                  </td>
                  <td className="num">{one.sources}</td>
                  <td className="num">{bytes(one.bytes)}</td>
                  <td className="num muted">
                    <Ago nano={one.uploaded_at_unix_nano} />
                  </td>
                  <td className="num">
                    <Confirm label="Delete" question="Delete it?" busy={remove.isPending && remove.variables === one.id} onYes={() => remove.mutate(one.id)} testId="map-delete" />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          <p className={styles.note}>{plural(shown.length, 'source map')}</p>
          <details className={own.how}>
            <summary>Upload from a build</summary>
            <FromABuild />
          </details>
        </>
      )}
    </div>
  );
}
