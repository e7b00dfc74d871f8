// Compressed arrays of the page to typed arrays: the other half of arrays.py.

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const ARRAY_TYPES = { u1: Uint8Array, u2: Uint16Array, f4: Float32Array };

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function inflate(bytes) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("this browser is too old for the page: it cannot decompress (DecompressionStream)");
  }
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Codes were stored as differences along the last axis, time.
function sumAlongTime(codes, chunks) {
  for (let start = 0; start < codes.length; start += chunks) {
    for (let i = start + 1; i < start + chunks; i++) codes[i] += codes[i - 1];
  }
}

// What each code stands for; the last one is NaN.
function codeBook(entry) {
  const top = entry.type === "u1" ? 254 : 65534;
  const book = new Float64Array(top + 2);
  for (let code = 0; code <= top; code++) {
    book[code] = entry.low + (entry.high - entry.low) * (code / top) ** entry.power;
  }
  book[top + 1] = NaN;
  return book;
}

function arrayOf(buffer, entry) {
  const length = entry.shape.reduce((product, size) => product * size, 1);
  const values = new ARRAY_TYPES[entry.type](buffer, entry.offset, length);
  if (entry.type === "f4") return { ...entry, values, at: (i) => values[i] };
  sumAlongTime(values, entry.shape[entry.shape.length - 1]);
  const book = codeBook(entry);
  return { ...entry, values, at: (i) => book[values[i]] };
}

// The arrays of one stream by name. The text is let go once it is decoded.
async function decodeStream(id, entries) {
  if (!LITTLE_ENDIAN) throw new Error("this page needs a little-endian machine");
  const element = document.getElementById(id);
  const buffer = await inflate(bytesOf(element.textContent));
  element.remove();
  return Object.fromEntries(entries.map((entry) => [entry.name, arrayOf(buffer, entry)]));
}
