// Data files. Each is a script, because a page that was opened as a file may run
// scripts but not fetch files: clipnhData("NAME", "BASE64"), where BASE64 is the
// raw deflate of JSON.

const waiting = new Map(); // name -> {resolve, reject}
const kept = new Map(); // name -> promise, the last used last
const KEEP = 96;

globalThis.clipnhData = (name, base64) => {
  const w = waiting.get(name);
  if (!w) return;
  waiting.delete(name);
  inflate(bytes(base64)).then((text) => w.resolve(JSON.parse(text))).catch((err) =>
    w.reject(new Error(`data/${name}.js is damaged: ${err.message}. Build the report again.`)));
};

// bytes decodes base64.
export function bytes(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const binary = atob(base64);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < out.length; i++) out[i] = binary.charCodeAt(i);
  return out;
}

async function inflate(compressed) {
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).text();
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
  return Boolean(column && column.data && column.data.length > 0);
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

function words(column) {
  const width = WIDTHS[column.type];
  if (!width) throw new Error(`column of type ${column.type}: want u8, u16, u24, u32 or f32`);
  const raw = bytes(column.data);
  const count = raw.length / width;
  if (column.type === "u8") return raw;
  if (column.type === "f32") return new Float32Array(raw.buffer, raw.byteOffset, count);
  if (column.type === "u16") return new Uint16Array(raw.buffer, raw.byteOffset, count);
  const out = new Uint32Array(count);
  for (let i = 0, at = 0; i < count; i++, at += width) {
    out[i] = raw[at] + raw[at + 1] * 256 + raw[at + 2] * 65536 + (width === 4 ? raw[at + 3] * 16777216 : 0);
  }
  return out;
}
