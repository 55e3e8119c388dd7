// Reads the chosen theme before the first paint. Without a choice the system's preference holds.
try {
  var theme = localStorage.getItem('cupola.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch (error) {
  // Storage can be switched off; the system's preference is a fine answer then.
}
