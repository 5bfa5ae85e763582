// Data files. Each is a script, because a page that was opened as a file may run
// scripts but not fetch files: clipnhData("NAME", "TEXT", 2), where TEXT has, seven
// bits a character, the raw deflate of a line of JSON and the numbers of its columns.

// QUANTILES are those of rankings.
export const QUANTILES = [0.1, 0.5, 0.9];

const waiting = new Map(); // name -> {resolve, reject}
const kept = new Map(); // name -> promise, the last used last
const KEEP = 96;

globalThis.clipnhData = (name, text) => {
  const w = waiting.get(name);
  if (!w) return;
  waiting.delete(name);
  inflate(bytes(text)).then((plain) => w.resolve(parse(plain))).catch((err) =>
    w.reject(new Error(`data/${name}.js is damaged: ${err.message}. Build the report again.`)));
};

// bytes decodes text of seven bits a character, the lowest first.
function bytes(text) {
  const out = new Uint8Array(Math.floor((text.length * 7) / 8));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    bits |= text.charCodeAt(i) << held;
    held += 7;
    if (held >= 8) {
      out[at++] = bits & 255;
      bits >>>= 8;
      held -= 8;
    }
  }
  return out;
}

async function inflate(compressed) {
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// parse reads the JSON, and gives its columns their bytes, which follow.
function parse(plain) {
  const end = plain.indexOf(10);
  const file = JSON.parse(new TextDecoder().decode(plain.subarray(0, end)));
  give(file, plain.subarray(end + 1));
  return file;
}

function give(value, binary) {
  if (typeof value.type === "string" && Number.isInteger(value.bytes)) {
    value.data = binary.subarray(value.at, value.at + value.bytes);
    return;
  }
  for (const part of Object.values(value)) {
    if (part !== null && typeof part === "object") give(part, binary);
    else if (Array.isArray(value)) break; // of numbers or texts
  }
}

// load gives the JSON of a data file, for instance "overview" or "n/149".
export function load(name) {
  let promise = kept.get(name);
  if (promise) {
    kept.delete(name);
  } else {
    promise = new Promise((resolve, reject) => {
      waiting.set(name, { resolve, reject });
      const script = document.createElement("script");
      script.src = `data/${name}.js`;
      script.addEventListener("load", () => script.remove());
      script.addEventListener("error", () => {
        script.remove();
        waiting.delete(name);
        kept.delete(name);
        reject(new Error(`data/${name}.js cannot be read. Is the folder of the report whole?`));
      });
      document.head.append(script);
    });
  }
  kept.set(name, promise);
  for (const old of kept.keys()) {
    if (kept.size <= KEEP) break;
    if (!old.includes("/")) continue; // the files that every page reads
    kept.delete(old);
  }
  return promise;
}

const WIDTHS = { u8: 1, u16: 2, u24: 3, u32: 4, f32: 4 };

// present says whether a column has numbers; one that is not known has none.
export function present(column) {
  return Boolean(column && column.bytes > 0);
}

// numbers decodes a column: little-endian numbers q that stand for low + step*q, or for themselves.
export function numbers(column) {
  if (!present(column)) return new Float32Array(0);
  const raw = words(column);
  if (column.type === "f32") return raw;
  const { low = 0, step = 0 } = column;
  if (!step) return raw;
  const out = new Float32Array(raw.length);
  for (let i = 0; i < out.length; i++) out[i] = low + step * raw[i];
  return out;
}

// indices decodes a column of indices, with -1 where there is none.
export function indices(column) {
  if (!present(column)) return new Int32Array(0);
  const raw = words(column);
  const none = 2 ** (8 * WIDTHS[column.type]) - 1;
  const out = new Int32Array(raw.length);
  for (let i = 0; i < out.length; i++) out[i] = raw[i] === none ? -1 : raw[i];
  return out;
}

// words gives the numbers q: first come the lowest bytes of all, then the next ones.
function words(column) {
  const width = WIDTHS[column.type];
  if (!width) throw new Error(`column of type ${column.type}: want u8, u16, u24, u32 or f32`);
  const raw = column.data;
  if (width === 1) return raw;
  const count = raw.length / width;
  const out = width === 2 ? new Uint16Array(count) : new Uint32Array(count);
  for (let b = 0; b < width; b++) {
    const plane = raw.subarray(b * count, (b + 1) * count);
    for (let i = 0; i < count; i++) out[i] |= plane[i] << (8 * b);
  }
  return column.type === "f32" ? new Float32Array(out.buffer) : out;
}
