// Build and development server of the web UI. The API is on the same origin in production; in development it is
// proxied, so that the browser sees one origin there too.
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const api = process.env.CUPOLA_API ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  server: { host: '127.0.0.1', port: 5173, proxy: { '/api': api, '/1': api } },
  build: {
    target: 'es2022',
    // A source map is as large as all the scripts together and the server embeds what is here.
    sourcemap: false,
    chunkSizeWarningLimit: 600,
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
