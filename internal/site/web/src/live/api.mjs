// The live part of the explorer: answers computed now, by the server that serves these pages.

import { state } from "../state.mjs";
import { replace } from "../dom.mjs";
import { failure, note } from "../parts.mjs";

async function answer(response) {
  let body;
  try {
    body = await response.json();
  } catch {
    throw new Error(`the explorer answered ${response.status} ${response.statusText}`);
  }
  if (!response.ok) throw new Error(body.error || `the explorer answered ${response.status}`);
  return body;
}

function query(values) {
  const out = new URLSearchParams();
  for (const [k, v] of Object.entries(values || {})) {
    if (v !== null && v !== undefined && v !== "") out.set(k, v);
  }
  const text = out.toString();
  return text ? `?${text}` : "";
}

// refusal says why a file below api/ was not given, {error, kind}; null if it is given now.
export async function refusal(path) {
  const response = await fetch(`api/${path}`);
  return response.ok ? null : response.json();
}

export async function get(path, values) {
  return answer(await fetch(`api/${path}${query(values)}`));
}

// post sends JSON, or a file as it is.
export async function post(path, values, body) {
  const file = body instanceof Blob;
  return answer(await fetch(`api/${path}${query(values)}`, {
    method: "POST", body: file ? body : body === undefined ? null : JSON.stringify(body),
    headers: file || body === undefined ? {} : { "Content-Type": "application/json" },
  }));
}

const AGAIN = 1500; // milliseconds until the explorer is asked again what works
let once = null;

// parts says which live parts work, and why others do not. The answer is kept once the
// explorer has read the scores, on which most parts wait.
export function parts() {
  if (!state.live) return Promise.resolve({});
  once ||= get("live").then((p) => {
    if (!p.images) setTimeout(() => (once = null), AGAIN);
    return p;
  }, (err) => {
    once = null;
    throw err;
  });
  return once;
}

// need fills a box with make() if a part works, else with the reason. While the explorer
// still reads the scores, it asks again.
export async function need(box, name, make) {
  try {
    const all = await parts();
    const part = all[name];
    if (part?.on) {
      replace(box, make());
      return;
    }
    replace(box, note(`Not available: ${part?.reason || "the explorer does not offer it"}`));
    if (!all.images) setTimeout(() => box.isConnected && need(box, name, make), 2 * AGAIN);
  } catch (err) {
    replace(box, failure(err));
  }
}

// liveScores are the scores of a pair on all images, or null where the explorer does not tell.
export async function liveScores(unit) {
  const p = await parts();
  if (!p.scores?.on) return null;
  return (await get("scores", { unit })).scores;
}

// waiting shows that something is computed, then the result or the error.
export async function waiting(box, promise, show) {
  box.setAttribute("aria-busy", "true");
  try {
    replace(box, show(await promise));
  } catch (err) {
    replace(box, failure(err));
  } finally {
    box.setAttribute("aria-busy", "false");
  }
}


// base64Bytes decodes base64, in which answers have files.
export function base64Bytes(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const binary = atob(base64);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < out.length; i++) out[i] = binary.charCodeAt(i);
  return out;
}
