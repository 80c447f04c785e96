import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// The page is embedded in gantry-desktop (src-tauri/build.rs): it loads nothing from elsewhere.
export default defineConfig({
  plugins: [svelte()],
  build: { target: 'safari16', chunkSizeWarningLimit: 1500, assetsInlineLimit: 0 },
  server: { port: 5173, strictPort: true },
  test: { environment: 'happy-dom', include: ['src/**/*.test.ts'] },
  resolve: process.env.VITEST ? { conditions: ['browser'] } : {},
});
