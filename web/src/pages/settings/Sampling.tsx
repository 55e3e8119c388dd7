// Sampling rules: which requests the X-Ray SDKs and samplers keep, in the order they ask, and what came of it.
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import * as xray from '../../api/xray';
import type { SamplingRuleTold } from '../../api/types';
import { DEFAULT_RULE, everyMinute, matchedWords, ruleFor, sentence } from '../../lib/sampling';
import { count, exact, percent, plural } from '../../lib/units';
import { Button, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Sparkline } from '../../ui/Sparkline';
import { Split } from '../../ui/Split';
import { Failure, Loading } from '../../ui/State';
import { useSetSearch } from '../common/search';
import { NEW, RulePanel } from './RulePanel';
import styles from './Settings.module.css';

export function Sampling({ chosen }: { chosen: string | undefined }) {
  const rules = useQuery(xray.samplingRules());
  const setSearch = useSetSearch();
  const choose = (rule: string | undefined) => setSearch({ rule });
  if (rules.error && !rules.data) return <Failure error={rules.error} onRetry={() => void rules.refetch()} title="The rules could not be read" />;
  if (!rules.data) return <Loading rows={10} label="Reading the rules" />;
  const list = [...rules.data].sort((a, b) => a.priority - b.priority || (a.name < b.name ? -1 : 1));
  const rule = list.find((one) => one.name === chosen);
  return (
    <Split name="settings" side={chosen === NEW || rule ? <RulePanel key={chosen} rule={rule} rules={list} onClose={(name) => choose(name)} /> : null}>
      <div className={styles.page}>
        <header className={styles.intro}>
          <p>A request is sampled by the first rule that matches it. The SDKs that follow these rules ask for them when they start and every few minutes, and hear of a change within ten seconds of their next report.</p>
          <Button primary onClick={() => choose(NEW)} data-testid="rule-new">
            <Icon name="plus" size={12} /> New rule
          </Button>
        </header>
        <table className={styles.rules} data-testid="rules">
          <thead>
            <tr>
              <th className="num">Priority</th>
              <th>Rule</th>
              <th className={`num ${styles.wide}`}>Reservoir</th>
              <th className={`num ${styles.wide}`}>Rate</th>
              <th className={`num ${styles.wide}`}>Clients</th>
              <th>Kept of requests, last hour</th>
              <th className="num" title="of the last ten minutes">Kept, 10 min</th>
            </tr>
          </thead>
          <tbody>
            {list.map((one) => (
              <tr key={one.name} aria-selected={one.name === chosen} data-testid="rule-row" data-rule={one.name} onClick={() => choose(one.name === chosen ? undefined : one.name)}>
                <td className="num">{one.name === DEFAULT_RULE ? <span className="muted">last</span> : one.priority}</td>
                <td className={styles.what}>
                  <button
                    type="button"
                    aria-expanded={one.name === chosen}
                    data-row=""
                    onClick={(event) => {
                      event.stopPropagation();
                      choose(one.name === chosen ? undefined : one.name);
                    }}
                  >
                    {one.name}
                  </button>
                  <span>{sentence(one)}</span>
                </td>
                <td className={`num ${styles.wide}`}>{one.reservoir_size}/s</td>
                <td className={`num ${styles.wide}`}>{percent(one.fixed_rate)}</td>
                <td className={`num ${styles.wide}`}>{one.clients > 0 ? exact(one.clients) : <span className="muted">–</span>}</td>
                <td className={styles.effect}>
                  <Effect rule={one} />
                </td>
                <td className={`num ${styles.kept}`} title={`${exact(one.sampled)} of ${exact(one.requests)} requests of the last ten minutes, ${exact(one.borrowed)} of them borrowed`}>
                  {one.requests > 0 ? (
                    <>
                      {percent(one.sampled / one.requests)}
                      <span className={styles.of}>of {count(one.requests)}</span>
                    </>
                  ) : (
                    <span className="muted">–</span>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {list.every((one) => one.clients === 0) && <p className={styles.note}>No SDK has asked for these rules yet. One that samples by X-Ray's rules does so at the daemon's address: the X-Ray SDKs by themselves, OpenTelemetry with OTEL_TRACES_SAMPLER=xray.</p>}
        <Try rules={list} />
      </div>
    </Split>
  );
}

/** Two series on one scale: what came, and in front of it what was kept. */
function Effect({ rule }: { rule: SamplingRuleTold }) {
  const effect = everyMinute(rule.effect, Date.now() / 1000);
  const most = Math.max(1, ...effect.map((minute) => minute.requests));
  if (effect.every((minute) => minute.requests === 0)) return <span className="muted">no requests</span>;
  return (
    <span className={styles.layers} title={`up to ${plural(most, 'request')} a minute`}>
      <Sparkline values={effect.map((minute) => minute.requests)} width={220} height={24} kind="bars" colour="var(--quiet)" max={most} />
      <Sparkline values={effect.map((minute) => minute.sampled)} width={220} height={24} kind="bars" colour="var(--accent)" max={most} />
    </span>
  );
}

const TRIED = { service_name: '', http_method: 'GET', url_path: '/', host: '' };

/** Which rule a request would meet. */
function Try({ rules }: { rules: SamplingRuleTold[] }) {
  const [tried, setTried] = useState(TRIED);
  const decides = ruleFor(rules, tried);
  const field = (name: keyof typeof TRIED, label: string, width: number) => (
    <label>
      {label}
      <Input value={tried[name]} style={{ width }} onChange={(event) => setTried({ ...tried, [name]: event.target.value })} data-testid={`try-${name}`} />
    </label>
  );
  return (
    <section className={styles.try} aria-label="Try a request">
      <h2>Which rule decides</h2>
      <div>
        {field('http_method', 'Method', 76)}
        {field('url_path', 'Path', 220)}
        {field('service_name', 'Service', 160)}
        {field('host', 'Host', 160)}
        <output data-testid="try-rule">
          {decides ? (
            <>
              <b>{decides.name}</b> {decides.name === DEFAULT_RULE ? 'as no other matches' : `for ${matchedWords(decides)}`}
            </>
          ) : (
            'no rule matches'
          )}
        </output>
      </div>
    </section>
  );
}
