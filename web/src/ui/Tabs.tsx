// Tabs over one page. Arrow keys move between them.
import styles from './Tabs.module.css';

export interface Tab {
  id: string;
  label: string;
  count?: number;
  loud?: boolean;
}

export function Tabs({ tabs, value, onChange, label }: { tabs: Tab[]; value: string; onChange: (id: string) => void; label: string }) {
  const move = (event: React.KeyboardEvent<HTMLDivElement>) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    const at = tabs.findIndex((tab) => tab.id === value);
    const next = tabs[(at + step + tabs.length) % tabs.length];
    if (!next) return;
    event.preventDefault();
    onChange(next.id);
    event.currentTarget.querySelector<HTMLElement>(`[data-tab="${next.id}"]`)?.focus();
  };
  return (
    <div className={styles.tabs} role="tablist" aria-label={label} onKeyDown={move}>
      {tabs.map((tab) => (
        <button key={tab.id} type="button" role="tab" className={styles.tab} aria-selected={tab.id === value} tabIndex={tab.id === value ? 0 : -1} data-tab={tab.id} data-loud={tab.loud && (tab.count ?? 0) > 0} data-testid={`tab-${tab.id}`} onClick={() => onChange(tab.id)}>
          {tab.label}
          {tab.count !== undefined && <span className={styles.n}>{tab.count}</span>}
        </button>
      ))}
    </div>
  );
}
