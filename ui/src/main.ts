import './lib/locale';
import '@fontsource-variable/inter/index.css';
import '@fontsource-variable/jetbrains-mono/index.css';
import './styles/tokens.css';
import './styles/base.css';
import { mount } from 'svelte';
import App from './app/App.svelte';

async function start(): Promise<void> {
  // Development of looks in a browser (`npm run dev`); never part of a build.
  if (import.meta.env.MODE === 'mock') (await import('./lib/ipc/mock')).install();
  const target = document.getElementById('app');
  if (target) mount(App, { target });
}

void start();
