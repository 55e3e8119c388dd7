// What the waterfall can be asked to show besides its bars.
import { useRef, useState } from 'react';
import { explainGap, type GapOf, type GapSpan } from '../../lib/gaps';
import { duration, percent } from '../../lib/units';
import { Button } from '../../ui/Control';
import { Icon, type IconName } from '../../ui/Icon';
import { Panel } from '../../ui/Menu';
import toolStyles from '../../ui/waterfall/Tools.module.css';
import styles from './Trace.module.css';

export function Toggle({ icon, label, title, on, onChange, testId }: { icon: IconName; label: string; title: string; on: boolean; onChange: (on: boolean) => void; testId: string }) {
  return (
    <Button aria-pressed={on} aria-label={label} title={title} onClick={() => onChange(!on)} data-testid={testId}>
      <Icon name={icon} />
      <span className={toolStyles.word}>{label}</span>
    </Button>
  );
}

/** The longest stretches in which a span did what no other span tells of. */
export function GapsButton({ gaps, spans, total, onChoose }: { gaps: GapOf[]; spans: (GapSpan & { span_id: string })[]; total: number; onChoose: (spanId: string) => void }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button ref={anchor} aria-expanded={open} aria-haspopup="dialog" aria-label="Gaps" disabled={gaps.length === 0} title={gaps.length === 0 ? 'No span has time without a child that matters to the trace' : 'Time within a span in which none of its children ran'} onClick={() => setOpen(!open)} data-testid="gaps">
        <Icon name="gap" />
        <span className={toolStyles.word}>Gaps</span>
        {gaps.length > 0 && <span className="muted">{gaps.length}</span>}
      </Button>
      {open && (
        <Panel anchor={anchor} onClose={() => setOpen(false)} role="dialog" label="The longest gaps">
          <div className={styles.gaps}>
            <p className="muted">Time within a span in which none of its children ran, hatched on its bar. The longest first.</p>
            {gaps.map((gap) => {
              const told = explainGap(spans, gap.span, gap);
              const span = spans[gap.span];
              return (
                <button
                  key={`${gap.span} ${gap.from}`}
                  type="button"
                  data-testid="gap-listed"
                  onClick={() => {
                    setOpen(false);
                    if (span) onChoose(span.span_id);
                  }}
                >
                  <b>{duration(gap.to - gap.from)}</b>
                  <span className="muted">{percent((gap.to - gap.from) / total)}</span>
                  <span className="cut" title={`${span?.name} ${told.where}`}>
                    <code>{span?.name}</code> <span className="muted">{told.where}</span>
                  </span>
                </button>
              );
            })}
          </div>
        </Panel>
      )}
    </>
  );
}
