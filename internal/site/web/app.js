// Made from the modules in web/src by "go generate". Do not edit.
(() => {
  // web/src/dom.mjs
  var SVG = "http://www.w3.org/2000/svg";
  function el(tag, attributes, ...children) {
    return fill(document.createElement(tag), attributes, children);
  }
  function svg(tag, attributes, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
  }
  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === void 0 || value === false) continue;
      if (name === "on") {
        for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
      } else if (name === "style") {
        for (const [property, v] of Object.entries(value)) node.style.setProperty(property, v);
      } else {
        node.setAttribute(name, value === true ? "" : String(value));
      }
    }
    append(node, children);
    return node;
  }
  function append(node, children) {
    for (const child of [children].flat(Infinity)) {
      if (child === null || child === void 0 || child === false) continue;
      node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return node;
  }
  function replace(node, ...children) {
    node.replaceChildren();
    return append(node, children);
  }
  function button(label, onclick, attributes) {
    return el("button", { type: "button", ...attributes, on: { click: onclick } }, label);
  }
  var ids = 0;
  function id(prefix) {
    ids += 1;
    return `${prefix}-${ids}`;
  }
  function table(headings, rows2, attributes) {
    const cell = (tag, value, extra) => {
      const numeric = value && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value) && "n" in value;
      return el(tag, { class: numeric ? "number" : null, ...extra }, numeric ? value.n : value);
    };
    return el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": attributes?.label || "table" },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, headings.map((h) => cell("th", h, { scope: "col" })))),
        el("tbody", {}, rows2.map((row) => el("tr", {}, row.map((c, i) => i === 0 ? cell("th", c, { scope: "row" }) : cell("td", c)))))
      )
    );
  }

  // web/src/router.mjs
  function address(parts2, query2) {
    const path = parts2.map((p) => String(p).split("/").map(encodeURIComponent).join("/")).join("/");
    const search2 = new URLSearchParams();
    for (const [k, v] of Object.entries(query2 || {})) {
      if (v !== null && v !== void 0 && v !== "") search2.set(k, v);
    }
    const tail = search2.toString();
    return `#/${path}${tail ? `?${tail}` : ""}`;
  }
  function parse(hash) {
    const [path, tail] = split(hash.replace(/^#\/?/, ""), "?");
    const [kind, rest2] = split(path, "/");
    return { path, kind, rest: decode(rest2), query: new URLSearchParams(tail) };
  }
  function split(text, separator) {
    const at = text.indexOf(separator);
    return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  }
  function decode(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }
  function setQuery(query2) {
    const { path } = parse(location.hash);
    const search2 = new URLSearchParams();
    for (const [k, v] of Object.entries(query2)) {
      if (v !== null && v !== void 0 && v !== "") search2.set(k, v);
    }
    const tail = search2.toString();
    history.replaceState(null, "", `#/${path}${tail ? `?${tail}` : ""}`);
  }
  function go(hash) {
    location.hash = hash;
  }

  // web/src/theme.mjs
  var KEY = "clipnh-theme";
  var CHOICES = ["system", "light", "dark"];
  function read() {
    try {
      const value = localStorage.getItem(KEY);
      return CHOICES.includes(value) ? value : "system";
    } catch {
      return "system";
    }
  }
  function write(value) {
    try {
      localStorage.setItem(KEY, value);
    } catch {
    }
  }
  function apply(choice) {
    const root = document.documentElement;
    if (choice === "system") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", choice);
    document.dispatchEvent(new CustomEvent("clipnh-theme"));
  }
  function start(select) {
    const choice = read();
    select.value = choice;
    apply(choice);
    select.addEventListener("change", () => {
      write(select.value);
      apply(select.value);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(select.value));
  }
  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }
  function isDark() {
    return colour("scheme") === "dark";
  }

  // web/src/data.mjs
  var QUANTILES = [0.1, 0.5, 0.9];
  var waiting = /* @__PURE__ */ new Map();
  var kept = /* @__PURE__ */ new Map();
  var KEEP = 96;
  globalThis.clipnhData = (name, text) => {
    const w = waiting.get(name);
    if (!w) return;
    waiting.delete(name);
    inflate(bytes(text)).then((plain) => w.resolve(parse2(plain))).catch((err) => w.reject(new Error(`data/${name}.js is damaged: ${err.message}. Build the report again.`)));
  };
  function bytes(text) {
    const out = new Uint8Array(Math.floor(text.length * 7 / 8));
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
  function parse2(plain) {
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
    for (const part2 of Object.values(value)) {
      if (part2 !== null && typeof part2 === "object") give(part2, binary);
      else if (Array.isArray(value)) break;
    }
  }
  function load(name) {
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
      if (!old.includes("/")) continue;
      kept.delete(old);
    }
    return promise;
  }
  var WIDTHS = { u8: 1, u16: 2, u24: 3, u32: 4, f32: 4 };
  function present(column) {
    return Boolean(column && column.bytes > 0);
  }
  function numbers(column) {
    if (!present(column)) return new Float32Array(0);
    const raw = words(column);
    if (column.type === "f32") return raw;
    const { low = 0, step: step2 = 0 } = column;
    if (!step2) return raw;
    const out = new Float32Array(raw.length);
    for (let i = 0; i < out.length; i++) out[i] = low + step2 * raw[i];
    return out;
  }
  function indices(column) {
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
    const raw = column.data;
    if (width === 1) return raw;
    const count2 = raw.length / width;
    const out = width === 2 ? new Uint16Array(count2) : new Uint32Array(count2);
    for (let b = 0; b < width; b++) {
      const plane = raw.subarray(b * count2, (b + 1) * count2);
      for (let i = 0; i < count2; i++) out[i] |= plane[i] << 8 * b;
    }
    return column.type === "f32" ? new Float32Array(out.buffer) : out;
  }

  // web/src/state.mjs
  var state = {
    overview: null,
    // data file "overview"
    images: null,
    // {names, labels, groups}, once images() has loaded it
    live: false
    // served by the explorer
  };
  async function start2() {
    state.live = document.querySelector('meta[name="clipnh-live"]')?.content === "1";
    state.overview = await load("overview");
    if (state.overview.format !== 2) {
      throw new Error(`data files of version ${state.overview.format}, this page reads version 2: build the report again`);
    }
    const o = state.overview;
    for (const key2 of ["ablation", "lists", "inputs", "parts"]) o[key2] ||= [];
    for (const key2 of ["classes", "labels", "groups"]) o.data[key2] ||= [];
    o.histograms ||= {};
    o.model.first_layer ||= 0;
    o.model.wording ||= o.model.layer_heads ? { form: "layers", token: "class token", rest: "rest of the feature", rest_of: "", example: unitName(0) } : { form: "pool", token: "mean token", rest: "constant", rest_of: "biases, the same for every image", example: unitName(0) };
    const { thumbs } = o;
    state.changed = new Set(o.data.changed_images);
    state.places = /* @__PURE__ */ new Map();
    if (thumbs) indices(thumbs.of).forEach((image, i) => state.places.set(image, i));
  }
  var imagesOnce = null;
  function images() {
    imagesOnce ||= load("images").then((file) => {
      state.images = {
        names: file.names,
        labels: indices(file.labels),
        groups: indices(file.groups),
        byName: null
      };
      return state.images;
    });
    return imagesOnce;
  }
  function imageNumber(name) {
    const { images: im } = state;
    im.byName ||= new Map(im.names.map((n, i) => [n, i]));
    return im.byName.get(name) ?? -1;
  }
  function imageLabel(image) {
    const label = state.images?.labels[image] ?? -1;
    return label >= 0 ? state.overview.data.labels[label] ?? "" : "";
  }
  function imageGroup(image) {
    const group = state.images?.groups[image] ?? -1;
    return group >= 0 ? state.overview.data.groups[group] ?? "" : "";
  }
  var shape = () => state.overview.model;
  var unitName = (pair) => pairName(pair, shape());
  function pairName(pair, { neurons, first_layer: first2, layer_heads: perLayer }) {
    const head = Math.floor(pair / neurons);
    return `${perLayer ? `l${first2 + Math.floor(head / perLayer)}h${head % perLayer}` : `h${head}`}n${pair % neurons}`;
  }
  function headName(head) {
    const { first_layer: first2, layer_heads: perLayer } = shape();
    return perLayer ? `l${first2 + Math.floor(head / perLayer)}h${head % perLayer}` : `h${head}`;
  }
  function neuronName(neuron) {
    const { first_layer: first2, layer_heads: perLayer } = shape();
    return perLayer ? `l${first2 - 1}n${neuron}` : `n${neuron}`;
  }
  function parseUnit(text) {
    const m = /^(?:l(\d+))?(?:h(\d+))?(?:n(\d+))?$/.exec(text.trim().toLowerCase());
    if (!m || m[2] === void 0 && m[3] === void 0) return null;
    const { heads: heads2, neurons, first_layer: first2, layer_heads: perLayer } = shape();
    let head = m[2] === void 0 ? -1 : Number(m[2]);
    const neuron = m[3] === void 0 ? -1 : Number(m[3]);
    if (perLayer && head >= 0) {
      if (m[1] === void 0 || head >= perLayer) return null;
      head += (Number(m[1]) - first2) * perLayer;
    }
    if (head >= heads2 || neuron >= neurons || m[2] !== void 0 && head < 0) return null;
    return { head, neuron, pair: head >= 0 && neuron >= 0 ? head * neurons + neuron : -1 };
  }
  var wording = () => state.overview.model.wording;
  var ofHeads = () => wording().form === "heads";
  function part(name) {
    return state.overview.parts.find((p) => p.name === name) || { name, present: false };
  }

  // web/src/wording.mjs
  var FORMS = {
    pool: {
      terms: () => {
        const { token, example: example2 } = wording();
        const { head, neuron } = parseUnit(example2);
        return {
          neuron: ["neuron", "One channel of the last layer of the image network. It gives a number for each place of the image: how much of the pattern that it looks for is there."],
          head: ["head", "The last step of the image network looks at all places at once. It has several heads; each weighs the places in its own way and reads the neurons there."],
          pair: ["pair", `A neuron as one head reads it, written ${example2}: head ${head}, neuron ${neuron}. The image feature is exactly the sum of what all pairs add to it and a constant, so each can be examined alone. A pair often responds to one thing where its neuron responds to several.`],
          score: ["score", "How strongly a pair responds to an image: the neuron's activation, averaged over places by the head's attention. What the pair adds to the image feature is its score times its direction."],
          waterfall: ["sum of the logit", "Each bar is what one pair adds to the logit or takes from it. With all other pairs and a constant of the weights, they sum exactly to the logit."],
          places: ["map of places", "The logit split by place of the image. Orange places speak for the class, blue ones against it. With what belongs to no place, the position embedding and the constant, they sum to the logit."],
          product: ["activation × attention", "Where the neuron responds and the head looks: what the pair's score is made of."],
          sink: [`attention to the ${token}`, "A head may look not only at places but also at the average of the whole image. This is how much it does."]
        };
      },
      lead: (name, pairs) => {
        const { heads: heads2, neurons } = state.overview.model;
        return [
          `The last step of the one shown here${name} can be taken apart exactly: what it says about an image is the sum of ${pairs} parts and a constant, one part for each of its ${neurons.toLocaleString("en")} neurons`,
          ` as each of ${heads2} heads`,
          " reads it. Such a part is a neuron-head pair"
        ];
      },
      head: () => " looks at some places of an image and reads all neurons there. Below are the pairs that it makes of them.",
      heads: () => " reads the same neurons at the places where it looks.",
      method: () => "The method is Bu and Gandelsman, Interpreting ResNet-based CLIP via Neuron-Attention Decomposition (arXiv:2509.19943)."
    },
    layers: {
      terms: () => {
        const { token, example: example2 } = wording();
        const { head, neuron } = parseUnit(example2);
        const layer = layerOf(neuronName(0));
        const own = headName(head);
        return {
          neuron: ["neuron", `One unit of the MLP in layer ${layer} of the image network, written ${neuronName(neuron)}. It gives a number for each place of the image, and for the class token: how much of the pattern that it looks for is there.`],
          head: ["head", "In each layer of the image network, several heads look at all places at once; each weighs the places in its own way. What heads read for the class token goes into the image feature. Those listed here are of the layers after the neurons, where they read what the neurons wrote."],
          pair: ["pair", `A neuron as one head of a later layer reads it, written ${example2}: head ${own.slice(own.indexOf("h") + 1)} of layer ${layerOf(own)}, neuron ${neuron} of layer ${layer}. What a pair adds to the image feature is known exactly, so each can be examined alone. All pairs together are a part of the feature; the rest is what other layers' neurons add, and what heads add by other ways. A pair often responds to one thing where its neuron responds to several.`],
          score: ["score", "How strongly a pair responds to an image: the neuron's activation, summed over places and the class token, each weighed by the head's attention and by the layer norms on the way. What the pair adds to the image feature is its score times its direction."],
          waterfall: ["sum of the logit", "Each bar is what one pair adds to the logit or takes from it. With all other pairs, and the rest of the feature, which belongs to no pair and differs from image to image, they sum exactly to the logit."],
          places: ["map of places", "The logit split by the places of the image that the heads of all layers read. Orange places speak for the class, blue ones against it. With what belongs to no place, the class token and the MLPs, they sum to the logit."],
          product: ["activation × attention", "Where the neuron responds and the head looks: what the pair's score is made of, but for the layer norms, which weigh each place too."],
          sink: [`attention to the ${token}`, "A head may look not only at places but also at the class token, which gathers what was read in earlier layers. This is how much it does."]
        };
      },
      lead: (name, pairs) => {
        const { heads: heads2, neurons } = state.overview.model;
        return [
          `A part of what the one shown here${name} says about an image is taken apart here: what the ${neurons.toLocaleString("en")} neurons of layer ${layerOf(neuronName(0))}`,
          ` add to it through the ${heads2} heads`,
          ` of later layers is the sum of ${pairs} parts, one for each neuron as each head reads it. Such a part is a neuron-head pair`
        ];
      },
      head: () => ` looks at some places of an image and reads what is there. Below are the pairs that it makes with the neurons of layer ${layerOf(neuronName(0))}.`,
      heads: () => ` of a later layer reads what the same neurons, those of layer ${layerOf(neuronName(0))}, wrote at the places where it looks.`,
      method: () => "The method is that of Bu and Gandelsman, Interpreting ResNet-based CLIP via Neuron-Attention Decomposition (arXiv:2509.19943), for the neurons of vision transformers and the later heads that read them, on which see Gandelsman, Efros and Steinhardt, Interpreting the Second-Order Effects of Neurons in CLIP (arXiv:2406.04341)."
    },
    heads: {
      get keys() {
        return ["clip", "head", "norm", "share", "texts", "explained", "along", "quantiles", "head_map", ...part("comparison").present ? ["cka"] : []];
      },
      live: ["logit", "probability", "waterfall", "places", "ablation", "accuracy", "cosine"],
      terms: () => ({
        head: ["head", `In each layer of the image network, several heads look at all places at once; each weighs the places in its own way. What a head reads for the ${wording().token} goes into the image feature. A head is written ${wording().example}.`],
        norm: ["norm", "The length of what a head adds to the image feature, not centred. The mean norm over all images says how much the model uses the head."],
        share: ["share of the feature", "What a head adds along the image feature, as a share of its length, averaged over images. Over all heads, MLPs and the class token that enters the first layer, the shares sum to 100 %; one may be below zero."],
        texts: ["texts of a head", "Texts along which what the head adds differs most from image to image, found one after the other (TextSpan): each takes its direction out of what the next one is looked for in."],
        explained: ["explained variance", "How much of the variance of what the head adds the texts explain, this one and those before it together."],
        along: ["along a text", "The product of what the head adds and the text's embedding, a unit vector: how much of the text the head adds to the image feature. It is not centred, so images at both ends of the ranking say something."],
        head_map: ["map of a head", "What the head adds, split by the places that it reads: along its first text, orange places add to it and blue ones take away, and with the class token's part they sum to the number; without a text, the lengths of the parts. In the explorer, the same of the logit of a class."],
        cka: ["CKA", "How alike what two heads add to the same images is, by which images they tell apart and not by the direction of what they add: 1 if one is the other turned, scaled or moved, about 0 if they have nothing in common. Of few images it may be a little below 0."],
        waterfall: ["sum of the logit", `Each bar is what one head adds to the logit or takes from it. With all other heads and ${state.overview.model.layer_heads ? "what the MLPs add" : "a constant of the weights"}, they sum exactly to the logit.`],
        places: ["map of places", `The logit split by the places of the image that heads read. Orange places speak for the class, blue ones against it. With what belongs to no place, they sum to the logit.`],
        ablation: ["ablation", "Replacing what a head adds to each image by its mean over all images, which says nothing of the image. What then changes is what the head was needed for."]
      }),
      method: () => "The method is that of Gandelsman, Efros and Steinhardt, Interpreting CLIP's Image Representation via Text-Based Decomposition (arXiv:2310.05916)."
    }
  };
  var layerOf = (name) => /^l(\d+)/.exec(name)?.[1] ?? "";
  function form() {
    const known = FORMS[wording().form];
    if (!known) throw new Error(`the report is of a model of form ${wording().form}, this page knows ${Object.keys(FORMS).join(" and ")}: build the report again`);
    return known;
  }
  var example = () => wording().example || unitName(0);

  // web/src/pins.mjs
  var key = () => `clipnh-lists:${state.overview.model.weights_sha256.slice(0, 16)}:${state.overview.data.name}`;
  var memory = null;
  function all() {
    let lists = memory;
    if (!lists) {
      try {
        lists = parse3(localStorage.getItem(key()) || "{}");
      } catch {
        lists = {};
      }
    }
    return { pins: [], ...lists };
  }
  function parse3(text) {
    const lists = JSON.parse(text);
    const fine = lists && typeof lists === "object" && !Array.isArray(lists) && Object.values(lists).every((items) => Array.isArray(items) && items.every((i) => i && typeof i.unit === "string" && typeof (i.note ?? "") === "string"));
    if (!fine) throw new Error(`want JSON as exported here: {"NAME": [{"unit": "${example()}", "note": "..."}]}`);
    return Object.fromEntries(Object.entries(lists).map(([name, items]) => [name, items.map((i) => ({ unit: i.unit, note: i.note || "" }))]));
  }
  function save(lists) {
    try {
      localStorage.setItem(key(), JSON.stringify(lists));
      memory = null;
    } catch {
      memory = lists;
    }
    document.dispatchEvent(new CustomEvent("clipnh-pins"));
  }
  function isPinned(unit) {
    return all().pins.some((i) => i.unit === unit);
  }
  function toggle(unit) {
    const lists = all();
    const was = isPinned(unit);
    lists.pins = was ? lists.pins.filter((i) => i.unit !== unit) : [...lists.pins, { unit, note: "" }];
    save(lists);
    return !was;
  }
  function pinButton(unit) {
    const node = button("", () => toggle(unit), { class: "pin" });
    const show2 = () => {
      const on = isPinned(unit);
      node.textContent = on ? "★" : "☆";
      node.setAttribute("aria-pressed", String(on));
      node.setAttribute("aria-label", `pin ${unit}`);
      node.title = on ? "unpin (p)" : "pin (p)";
    };
    show2();
    const follow = () => node.isConnected ? show2() : document.removeEventListener("clipnh-pins", follow);
    document.addEventListener("clipnh-pins", follow);
    return node;
  }

  // web/src/compare.mjs
  var first = null;
  function pick(unit) {
    if (first && first !== unit) {
      const a = first;
      first = null;
      go(address(["c"], { a, b: unit }));
      return null;
    }
    first = unit;
    document.dispatchEvent(new CustomEvent("clipnh-say", { detail: `${unit} is kept. Press c on another unit to compare the two.` }));
    return first;
  }
  function compareButton(unit) {
    return button(first && first !== unit ? `compare with ${first}` : "compare", () => pick(unit), { class: "small", title: "compare (c)" });
  }

  // web/src/keys.mjs
  var SHORTCUTS = [
    ["/", "search"],
    ["j", "next unit or image"],
    ["k", "previous unit or image"],
    ["p", "pin this unit, or unpin it"],
    ["c", "compare: press it on two units"],
    ["g", "first page"],
    ["l", "pinned units"],
    ["?", "this help"]
  ];
  function start3(page, searchField, say2, without) {
    const dialog = help(without);
    document.body.append(dialog);
    document.getElementById("help").addEventListener("click", () => dialog.showModal());
    document.addEventListener("keydown", (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, [contenteditable]") || dialog.open) {
        if (e.key === "Escape" && e.target === searchField) searchField.blur();
        return;
      }
      const action = actions(page, searchField, say2, dialog)[e.key];
      if (!action || without.includes(e.key)) return;
      e.preventDefault();
      action();
    });
  }
  function actions(page, searchField, say2, dialog) {
    const unit = () => document.activeElement?.closest("[data-unit]")?.dataset.unit || page()?.unit;
    return {
      "/": () => (document.getElementById("search-words") || searchField).focus(),
      j: () => move(page(), 1),
      k: () => move(page(), -1),
      p: () => {
        const u = unit();
        say2(u ? `${u} is ${toggle(u) ? "pinned" : "no longer pinned"}.` : "Go to a unit with j and k first, then pin it.");
      },
      c: () => {
        const u = unit();
        if (u) pick(u);
        else say2("Go to a unit with j and k first, then compare it.");
      },
      g: () => go("#/"),
      l: () => go(address(["list", "pins"])),
      "?": () => dialog.showModal()
    };
  }
  function move(page, by) {
    if (page?.move) {
      page.move(by);
      return;
    }
    const cards3 = [...document.querySelectorAll("main [data-unit]")];
    if (cards3.length === 0) return;
    const at = cards3.indexOf(document.activeElement?.closest("[data-unit]"));
    const next = cards3[Math.max(0, Math.min(cards3.length - 1, at < 0 ? 0 : at + by))];
    next.scrollIntoView({ block: "center" });
    next.querySelector("a")?.focus({ preventScroll: true });
  }
  function help(without) {
    const dialog = el(
      "dialog",
      { "aria-labelledby": "help-heading" },
      el("h2", { id: "help-heading" }, "Keys"),
      el("dl", { class: "terms keys" }, SHORTCUTS.filter(([key2]) => !without.includes(key2)).map(([key2, text]) => el("div", {}, el("dt", {}, el("kbd", {}, key2)), el("dd", {}, text)))),
      button("Close", () => dialog.close())
    );
    return dialog;
  }

  // web/src/terms.mjs
  var TERMS = {
    clip: ["CLIP", "CLIP is a pair of networks: one reads images, the other texts. Both turn what they read into a list of numbers, a feature. They were trained so that an image and a text that describes it get features that point the same way. To classify an image, CLIP compares its feature with that of the name of each class."],
    neuron: null,
    head: null,
    pair: null,
    score: null,
    // as wording.mjs has them, in this place
    norm: ["norm", "The length of what a pair adds to the image feature. The mean norm over all images says how much the model uses the pair."],
    direction: ["direction", "What a pair adds to the image feature always points along one line, in the space that images and texts share. That is why it can be compared with words."],
    words: ["words", "The direction of a pair written as a sum of a few words' directions. The coefficient says how much of each word. A word with a negative coefficient says what the pair is not."],
    residual: ["residual", "How much of the direction the words leave unexplained: 0 means that they explain all of it, 1 nothing."],
    spearman: ["description score", "How well the words predict where the pair responds: the rank correlation, over images, of the pair's scores with the images' similarity to the words. 1 is perfect, 0 is chance."],
    auc: ["AUC", "Take an image at random from the strongest 1 % (at least 10 images) and another from the rest: how often the words rank the first one higher. 0.5 is chance, 1 is always."],
    floor: ["first word alone", "The same measure for a description by the first word alone. Further words should improve on it."],
    polysemanticity: ["polysemanticity", "How unlike each other the strongest images of a unit are. A low value means that they show one thing; such a unit is called pure."],
    quantiles: ["ordinary images", "The strongest images alone make a unit look clearer than it is. These are images from the middle of its ranking: 90 % means that 90 % of all images respond less."],
    ablation: ["ablation", "Replacing what a unit adds to each image by its mean over all images, which says nothing of the image. What then changes is what the unit was needed for."],
    curve: ["ablation curve", "Only the strongest units are kept, all others are replaced by their means. The curve shows how many images are still classified right. The earlier it rises, the fewer units the model needs."],
    accuracy: ["accuracy", "The share of images whose nearest class name is their label. Nothing is trained for this: the model compares images with names."],
    logit: ["logit", "How well an image matches a class: the similarity of the image feature and the class's text, times 100. The class of the largest logit wins."],
    probability: ["probability", "The logits of all classes turned into shares that sum to 100 %."],
    waterfall: null,
    places: null,
    head_map: ["map of a head", "What one head adds to the logit, split by the places that it reads. Orange places speak for the class, blue ones against it. With what the head adds at no place, they sum to what it adds."],
    activation: ["activation", "How strongly the neuron responds at each place of the image."],
    attention: ["attention", "How much the head looks at each place of the image."],
    product: null,
    direction_neighbours: ["neighbours by direction", "Pairs whose directions point the same way, by cosine: 1 is the same way, −1 the opposite."],
    score_neighbours: ["neighbours by scores", "Pairs that respond to the same images, by correlation of scores, whatever their directions."],
    cosine: ["cosine", "How alike two directions are: 1 the same, 0 unrelated, −1 opposite."],
    adds: ["what this head adds", "Images among the pair's strongest that are not among the neuron's strongest: the head sees something in the neuron that the neuron alone does not show."],
    sink: null,
    effect: ["effect on classes", "By how much the mean logit of a class changes when the pair is ablated."]
  };
  var NEEDS = {
    words: ["words", "residual"],
    "description scores": ["spearman", "auc", "floor"],
    classes: ["accuracy", "curve", "logit", "probability", "waterfall", "effect", "places", "head_map"],
    maps: ["activation", "attention", "product", "sink"]
  };
  function terms() {
    const lacking2 = state.live ? [] : Object.keys(NEEDS).filter((name) => !part(name).present).flatMap((name) => NEEDS[name]);
    const { keys, live } = form();
    return Object.fromEntries(Object.entries({ ...TERMS, ...form().terms() }).filter(([key2]) => keys ? keys.includes(key2) || state.live && live.includes(key2) : !lacking2.includes(key2)));
  }
  function what(key2, after = "") {
    const entry = form().terms()[key2] || TERMS[key2];
    if (!entry) throw new Error(`no term ${key2}`);
    const [name, text] = entry;
    const panel = id("what");
    const body = el("span", { id: panel, class: "what-text", hidden: true }, text);
    const mark2 = el("button", {
      type: "button",
      class: "what",
      "aria-expanded": "false",
      "aria-controls": panel,
      "aria-label": `What is this: ${name}?`,
      title: `What is this: ${name}?`,
      on: {
        click: () => {
          body.hidden = !body.hidden;
          mark2.setAttribute("aria-expanded", String(!body.hidden));
        },
        keydown: (e) => {
          if (e.key === "Escape" && !body.hidden) {
            body.hidden = true;
            mark2.setAttribute("aria-expanded", "false");
          }
        }
      }
    }, "?");
    return el("span", { class: "what-box" }, after ? el("span", { class: "unbroken" }, mark2, after) : mark2, body);
  }

  // web/src/parts.mjs
  function section(heading, attributes, ...children) {
    const { what: term, ...others } = attributes || {};
    const name = id("section");
    return el(
      "section",
      { "aria-labelledby": name, ...others },
      el("div", { class: "heading" }, el("h2", { id: name }, heading), term ? what(term) : null),
      children
    );
  }
  function facts(rows2) {
    return el("dl", { class: "facts" }, rows2.filter((r) => r && r[1] !== "–").map(([name, value, term]) => el("div", {}, el("dt", {}, name, term ? what(term) : null), el("dd", {}, value))));
  }
  function flags(text) {
    return text.replace(/\{([\w-]+)\}/g, "--$1");
  }
  function note(...children) {
    return el("p", { class: "note" }, children);
  }
  function format(value, digits = 4) {
    return even([value], digits)(value);
  }
  function even(values, digits = 3) {
    let most = 0;
    for (const v of values) if (Number.isFinite(v)) most = Math.max(most, Math.abs(v));
    const powers = most !== 0 && (most >= 1e6 || most < 1e-4);
    const decimals = most === 0 ? 0 : digits - 1 - Number(most.toExponential(digits - 1).split("e")[1]);
    return (value) => {
      if (!Number.isFinite(value)) return "–";
      if (value === 0 && (powers || decimals <= 0)) return "0";
      if (powers) return value.toExponential(2).replace(/-/g, "−");
      const text = decimals < 0 ? String(Number(value.toPrecision(digits))) : value.toFixed(decimals);
      return /[1-9]/.test(text) ? text.replace("-", "−") : text.replace("-", "");
    };
  }
  function withDeviation(mean, deviation) {
    const write2 = even([mean], 4);
    return `${write2(mean)} ± ${write2(deviation)}`;
  }
  function evenSigned(values, digits = 3) {
    const write2 = even(values, digits);
    return (value) => plus(write2(value), value);
  }
  function plus(text, value) {
    return value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
  }
  function percent(share, digits = 1) {
    return Number.isFinite(share) ? `${(100 * share).toFixed(digits)} %` : "–";
  }
  function signed(value, digits = 3) {
    return plus(format(value, digits), value);
  }
  function count(n, one2, many) {
    return `${n.toLocaleString("en")} ${n === 1 ? one2 : many || `${one2}s`}`;
  }
  function joined(texts3) {
    const all2 = texts3.filter(Boolean);
    return all2.length < 2 ? all2.join("") : `${all2.slice(0, -1).join(", ")} and ${all2.at(-1)}`;
  }
  function pairLink(pair, query2) {
    return el("a", { href: address(["p", unitName(pair)], query2), class: "unit" }, unitName(pair));
  }
  function neuronLink(neuron) {
    return el("a", { href: address(["n", neuron]), class: "unit" }, neuronName(neuron));
  }
  function headLink(head) {
    return el("a", { href: address(["h", head]), class: "unit" }, headName(head));
  }
  function imageAddress(name) {
    return address(["i", name]);
  }
  function wordsLine(words2, link = true) {
    if (words2.length === 0) return part("words").present ? el("span", { class: "quiet" }, "no words") : null;
    return el("span", { class: "words" }, words2.map((w, i) => {
      const text = w.coefficient < 0 ? `not ${w.text}` : w.text;
      return [i ? ", " : "", link ? el("a", { href: address(["t"], { q: w.text }), class: w.coefficient < 0 ? "word negative" : "word" }, text) : text];
    }));
  }
  function wordsFrom(pairs = true) {
    const codes = state.overview.inputs.filter((i) => i.kind === "codes").map((i) => ({ path: i.path, ...i.made ? JSON.parse(i.made).code : {} }));
    const read2 = codes.find((c) => c.heads === void 0 || c.heads > 0 === pairs);
    if (!read2) return "Words are computed as by “clipnh describe”.";
    return `Words are from the codes ${read2.path}${read2.normalize ? `, ${read2.method || "omp"}, normalize ${read2.normalize}` : ""}.`;
  }
  function wordsText(words2) {
    return words2.map((w) => w.coefficient < 0 ? `not ${w.text}` : w.text).join(", ") || "no words";
  }
  function download(name, type, text) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const a = el("a", { href: url, download: name });
    document.body.append(a);
    a.click();
    a.remove();
    setTimeout(() => URL.revokeObjectURL(url), 1e4);
  }
  function csv(columns2, rows2) {
    const quote = (v) => {
      const text = v === null || v === void 0 ? "" : String(v);
      return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return [columns2, ...rows2].map((r) => r.map(quote).join(",")).join("\n") + "\n";
  }
  function numbersOf(data) {
    const rows2 = () => typeof data.rows === "function" ? data.rows() : data.rows;
    return el(
      "span",
      { class: "numbers" },
      "numbers: ",
      button(
        "CSV",
        () => download(`${data.name}.csv`, "text/csv", csv(data.columns, rows2())),
        { class: "link", "aria-label": `CSV of ${data.name}` }
      ),
      " ",
      button(
        "JSON",
        () => download(
          `${data.name}.json`,
          "application/json",
          JSON.stringify(rows2().map((r) => Object.fromEntries(data.columns.map((c, i) => [c, r[i]]))), null, 1) + "\n"
        ),
        { class: "link", "aria-label": `JSON of ${data.name}` }
      )
    );
  }
  function figure(caption, data, ...content2) {
    return el("figure", {}, content2, el("figcaption", {}, caption, " ", data ? numbersOf(data) : null));
  }
  function failure(error) {
    return el("p", { class: "failure", role: "alert" }, error instanceof Error ? error.message : String(error));
  }
  function zeroWeights() {
    return note("The weights of this pair are zero, as after ", el("code", {}, "clipnh edit --remove"), ": it adds the same to every image, so none is stronger than another.");
  }

  // web/src/live/api.mjs
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
      if (v !== null && v !== void 0 && v !== "") out.set(k, v);
    }
    const text = out.toString();
    return text ? `?${text}` : "";
  }
  async function refusal(path) {
    const response = await fetch(`api/${path}`);
    return response.ok ? null : response.json();
  }
  async function get(path, values) {
    return answer(await fetch(`api/${path}${query(values)}`));
  }
  async function post(path, values, body) {
    const file = body instanceof Blob;
    return answer(await fetch(`api/${path}${query(values)}`, {
      method: "POST",
      body: file ? body : body === void 0 ? null : JSON.stringify(body),
      headers: file || body === void 0 ? {} : { "Content-Type": "application/json" }
    }));
  }
  var AGAIN = 1500;
  var once = null;
  function parts() {
    if (!state.live) return Promise.resolve({});
    once ||= get("live").then((p) => {
      if (!p.images) setTimeout(() => once = null, AGAIN);
      return p;
    }, (err) => {
      once = null;
      throw err;
    });
    return once;
  }
  async function need(box, name, make) {
    try {
      const all2 = await parts();
      const part2 = all2[name];
      if (part2?.on) {
        replace(box, make());
        return;
      }
      replace(box, note(`Not available: ${part2?.reason || "the explorer does not offer it"}`));
      if (!all2.images) setTimeout(() => box.isConnected && need(box, name, make), 2 * AGAIN);
    } catch (err) {
      replace(box, failure(err));
    }
  }
  async function liveScores(unit) {
    const p = await parts();
    if (!p.scores?.on) return null;
    return (await get("scores", { unit })).scores;
  }
  async function waiting2(box, promise, show2) {
    box.setAttribute("aria-busy", "true");
    try {
      replace(box, show2(await promise));
    } catch (err) {
      replace(box, failure(err));
    } finally {
      box.setAttribute("aria-busy", "false");
    }
  }
  function base64Bytes(base64) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
    const binary = atob(base64);
    const out = new Uint8Array(binary.length);
    for (let i = 0; i < out.length; i++) out[i] = binary.charCodeAt(i);
    return out;
  }

  // web/src/live/picture.mjs
  var SHARP = 336;
  var TRIES = 5;
  var AGAIN2 = 2e3;
  function picture(box, image, large) {
    if (!state.live) {
      absent(box);
      return;
    }
    parts().then((p) => p.thumbs?.on ? ask(box, image, { size: large ? SHARP : null }) : absent(box), () => absent(box));
  }
  function sharpen(box, image) {
    if (!state.live) return;
    parts().then((p) => p.thumbs?.on && ask(box, image, { size: SHARP, over: true }), () => {
    });
  }
  function ask(box, image, options, tries = TRIES) {
    const query2 = new URLSearchParams();
    if (options.size) query2.set("size", options.size);
    if (options.changed) query2.set("changed", "true");
    const at = `thumb/${image}${query2.size ? `?${query2}` : ""}`;
    const img = el("img", { class: "picture", alt: "", loading: "lazy", decoding: "async", src: `api/${at}` });
    img.addEventListener("error", () => {
      img.remove();
      failed(box, image, options, tries, at);
    }, { once: true });
    if (options.changed) img.addEventListener("load", () => box.dispatchEvent(new CustomEvent("clipnh-drawn-changed")), { once: true });
    box.prepend(img);
  }
  async function failed(box, image, options, tries, at) {
    const why2 = await refusal(at).catch((err) => ({ error: err.message }));
    if (why2?.kind === "changed" && !options.changed) {
      markChanged(box);
      ask(box, image, { ...options, changed: true }, tries);
      return;
    }
    const later = why2 === null || why2.kind === "busy" || why2.kind === "loading";
    if (later && tries > 1) {
      setTimeout(() => box.isConnected && ask(box, image, options, tries - 1), AGAIN2);
      return;
    }
    if (!options.over) lacks(box, why2?.error || "the browser cannot show it");
  }
  function lacks(box, why2) {
    box.classList.add("lacking");
    box.title = why2;
    box.setAttribute("aria-label", `${box.getAttribute("aria-label")}, no thumbnail: ${why2}`);
    box.append(el("span", { class: "why" }, why2));
  }
  function absent(box) {
    box.classList.add("lacking", "absent");
    box.append("no thumbnail");
  }
  function markChanged(box) {
    if (box.classList.contains("changed")) return;
    box.classList.add("changed");
    box.setAttribute("aria-label", `${box.getAttribute("aria-label")}, changed since its scores were collected`);
    box.append(el("span", { class: "stale", title: "This image changed since its scores were collected: the numbers are those of the earlier one." }, "changed"));
  }
  async function howToDraw() {
    const lacking2 = `The report has no thumbnail of ${state.overview.thumbs ? "some" : "its"} images`;
    if (!state.live) return [`${lacking2}. The explorer draws them:`, "clipnh explore DIR --data-path PATH"];
    const p = await parts();
    return p.thumbs?.on ? null : [`${lacking2}, and none is drawn: ${p.thumbs?.reason || "the explorer does not offer it"}`, null];
  }
  function howNote() {
    const box = el("div", { class: "how-to-draw" });
    howToDraw().then((how) => how && replace(box, howText(how)), () => {
    });
    return box;
  }
  var howText = ([text, command]) => note(text, command ? [" ", el("code", {}, command), "."] : null);

  // web/src/index.mjs
  var SORTS = {
    match: "match",
    norm: "mean norm",
    score: "description score",
    purity: "purest first",
    effect: "effect on classes",
    unit: "head and neuron"
  };
  var once2 = null;
  function index() {
    once2 ||= load("index").then((file) => ({
      words: file.words,
      lower: file.words.map((w) => w.toLowerCase()),
      pairs: columns(file.pairs),
      neurons: columns(file.neurons)
    }));
    return once2;
  }
  function columns(file) {
    return {
      norm: numbers(file.norm),
      polysemanticity: numbers(file.polysemanticity),
      score: numbers(file.score),
      sign: numbers(file.sign),
      effect: numbers(file.effect),
      words: indices(file.words),
      coefficients: numbers(file.coefficients),
      images: indices(file.images),
      orders: {}
    };
  }
  var each = (column, columnsOf) => column.length / columnsOf.norm.length;
  function wordsOf(ix, pair, columnsOf = ix.pairs) {
    const out = [];
    const count2 = each(columnsOf.words, columnsOf);
    for (let at = pair * count2; at < (pair + 1) * count2; at++) {
      const w = columnsOf.words[at];
      if (w >= 0) out.push({ word: w, text: ix.words[w], coefficient: columnsOf.coefficients[at] });
    }
    return out;
  }
  function imagesOf(ix, pair, columnsOf = ix.pairs) {
    const count2 = each(columnsOf.images, columnsOf);
    return Array.from(columnsOf.images.subarray(pair * count2, (pair + 1) * count2)).filter((i) => i >= 0);
  }
  function order(ix, sort) {
    const { pairs } = ix;
    if (pairs.orders[sort]) return pairs.orders[sort];
    const count2 = state.overview.model.heads * state.overview.model.neurons;
    const out = new Uint32Array(count2);
    for (let i = 0; i < count2; i++) out[i] = i;
    const key2 = { norm: pairs.norm, score: pairs.score, purity: pairs.polysemanticity, effect: pairs.effect }[sort];
    if (key2 && key2.length > 0) {
      const sign = sort === "purity" ? 1 : -1;
      const value = sort === "effect" ? (i) => Math.abs(key2[i]) : (i) => key2[i];
      out.sort((a, b) => sign * (value(a) - value(b)) || a - b);
    }
    pairs.orders[sort] = out;
    return out;
  }
  var IS = 1;
  var HAS = 0.75;
  var WITHIN = 0.5;
  function matches(ix, query2) {
    const marks = new Float32Array(ix.words.length);
    const parts2 = query2.split(/\s+/).filter(Boolean);
    for (let w = 0; w < marks.length; w++) {
      const text = ix.lower[w];
      if (!parts2.every((p) => text.includes(p))) continue;
      const spaced = ` ${text} `;
      marks[w] = text === query2 ? IS : parts2.every((p) => spaced.includes(` ${p} `)) ? HAS : WITHIN;
    }
    return marks;
  }
  function search(ix, o) {
    const { neurons } = state.overview.model;
    const query2 = (o.query || "").trim().toLowerCase();
    const unit = query2 ? parseUnit(query2) : null;
    const marks = query2 && !unit ? matches(ix, query2) : null;
    const sort = o.sort === "match" || !o.sort ? marks ? "match" : "norm" : o.sort;
    const all2 = order(ix, sort === "match" ? "norm" : sort);
    const weight = scratch(ix, all2.length);
    const heads2 = unit && unit.head >= 0 ? /* @__PURE__ */ new Set([unit.head]) : o.heads;
    let [from, to] = o.neurons || [0, neurons - 1];
    if (unit && unit.neuron >= 0) [from, to] = [Math.max(from, unit.neuron), Math.min(to, unit.neuron)];
    to = Math.min(to, neurons - 1);
    const filters = { sign: o.sign && ix.pairs.sign.length > 0 ? o.sign : "", least: o.norm > 0 ? quantile(ix, "norm", o.norm) : null, most: o.purity > 0 ? quantile(ix, "purity", 1 - o.purity) : null };
    for (let h = 0; h * neurons < all2.length; h++) {
      if (heads2 && !heads2.has(h)) continue;
      mark(ix, weight, marks, h * neurons + from, h * neurons + to, filters);
    }
    const out = new Uint32Array(all2.length);
    let found = 0;
    for (let i = 0; i < all2.length; i++) if (weight[all2[i]] > NONE) out[found++] = all2[i];
    const list2 = out.subarray(0, found);
    return sort === "match" && marks ? byWeight(list2, weight) : list2;
  }
  var NONE = -Infinity;
  function scratch(ix, length) {
    if (ix.weight?.length !== length) ix.weight = new Float32Array(length);
    return ix.weight.fill(NONE);
  }
  function mark({ pairs }, weight, marks, first2, last, { sign, least, most }) {
    const count2 = each(pairs.words, pairs);
    for (let p = first2; p <= last; p++) {
      if (least !== null && pairs.norm[p] < least) continue;
      if (most !== null && pairs.polysemanticity[p] > most) continue;
      if (sign && (pairs.sign[p] > 0 ? "+" : "-") !== sign) continue;
      if (!marks) {
        weight[p] = 0;
        continue;
      }
      let matched = false;
      let sum = 0;
      let all2 = 0;
      for (let k = p * count2; k < (p + 1) * count2; k++) {
        const w = pairs.words[k];
        if (w < 0) continue;
        const coefficient = pairs.coefficients[k];
        all2 += Math.abs(coefficient);
        if (marks[w] === 0) continue;
        matched = true;
        sum += marks[w] * coefficient;
      }
      if (matched) weight[p] = all2 > 0 ? sum / all2 * pairs.norm[p] : 0;
    }
  }
  var BUCKETS = 2048;
  function byWeight(list2, weight) {
    let least = Infinity;
    let most = -Infinity;
    for (let i = 0; i < list2.length; i++) {
      const w = weight[list2[i]];
      if (w < least) least = w;
      if (w > most) most = w;
    }
    const step2 = (most - least) / (BUCKETS - 1) || 1;
    const bucket = (p) => Math.floor((most - weight[p]) / step2);
    const starts = new Uint32Array(BUCKETS + 1);
    for (let i = 0; i < list2.length; i++) starts[bucket(list2[i]) + 1]++;
    for (let b = 0; b < BUCKETS; b++) starts[b + 1] += starts[b];
    const sorted = new Uint32Array(list2.length);
    for (let i = 0; i < list2.length; i++) sorted[starts[bucket(list2[i])]++] = list2[i];
    return sorted;
  }
  function quantile(ix, sort, share) {
    const all2 = order(ix, sort);
    const column = sort === "purity" ? ix.pairs.polysemanticity : ix.pairs.norm;
    if (column.length === 0) return null;
    const at = sort === "purity" ? Math.floor(share * (all2.length - 1)) : Math.floor((1 - share) * (all2.length - 1));
    return column[all2[at]];
  }

  // web/src/colours.mjs
  var DIVERGING = {
    light: { low: [33, 102, 172], zero: [247, 247, 247], high: [200, 80, 10] },
    dark: { low: [90, 160, 235], zero: [38, 42, 48], high: [250, 150, 60] }
  };
  var SEQUENTIAL = {
    light: { zero: [243, 245, 248], high: [11, 64, 128] },
    dark: { zero: [30, 34, 40], high: [150, 205, 255] }
  };
  var mix = (a, b, t) => a.map((v, i) => Math.round(v + (b[i] - v) * t));
  function diverging(x) {
    const map = DIVERGING[isDark() ? "dark" : "light"];
    const t = Math.min(1, Math.abs(x));
    return mix(map.zero, x < 0 ? map.low : map.high, t);
  }
  function sequentialMap() {
    const map = SEQUENTIAL[isDark() ? "dark" : "light"];
    return Array.from({ length: 256 }, (_, i) => mix(map.zero, map.high, Math.sqrt(i / 255)));
  }
  var css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
  function paintMap(canvas, side, values, both) {
    canvas.width = side;
    canvas.height = side;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(side, side);
    const map = DIVERGING.light;
    for (let i = 0; i < side * side; i++) {
      const v = Math.max(-1, Math.min(1, values[i]));
      const colour2 = both ? v < 0 ? map.low : map.high : [255, 60, 0];
      pixels.data.set(colour2, 4 * i);
      pixels.data[4 * i + 3] = Math.round(215 * Math.min(1, Math.abs(v)));
    }
    context.putImageData(pixels, 0, 0);
  }
  function legend(el2, both, texts3) {
    return el2(
      "div",
      { class: "legend" },
      el2("span", {}, texts3[0]),
      el2("span", { class: both ? "ramp both" : "ramp one", "aria-hidden": "true" }, both ? el2("i", {}, "0") : null),
      el2("span", {}, texts3[1])
    );
  }

  // web/src/thumbs.mjs
  function face(image, alt, large = false) {
    const { thumbs } = state.overview;
    const place = state.places.get(image);
    const box = el("span", { class: large ? "face large" : "face", role: "img", "aria-label": alt });
    if (state.changed.has(image)) markChanged(box);
    if (!thumbs || place === void 0) {
      picture(box, image, large);
      return box;
    }
    if (large) sharpen(box, image);
    const perSheet = thumbs.columns * thumbs.rows;
    const sheet = Math.floor(place / perSheet);
    const x = place % perSheet % thumbs.columns;
    const y = Math.floor(place % perSheet / thumbs.columns);
    const along = (i, n) => n > 1 ? `${100 * i / (n - 1)}%` : "0%";
    const last = sheet === thumbs.sheets - 1;
    const total = state.places.size;
    const rows2 = last ? Math.ceil((total - sheet * perSheet) / thumbs.columns) : thumbs.rows;
    box.style.backgroundImage = `url("thumbs/${String(sheet).padStart(3, "0")}.jpg")`;
    box.style.backgroundSize = `${thumbs.columns * 100}% ${rows2 * 100}%`;
    box.style.backgroundPosition = `${along(x, thumbs.columns)} ${along(y, rows2)}`;
    return box;
  }
  function thumb(image, options = {}) {
    const name = state.images?.names[image] ?? `image ${image}`;
    const label = imageLabel(image);
    const below = options.labels === false ? "" : label || (options.named ? name.slice(name.lastIndexOf("/") + 1) : "");
    const alt = [options.what, name, label].filter(Boolean).join(", ");
    const box = face(image, alt);
    if (options.map) {
      const canvas = el("canvas", { class: "map", "aria-hidden": "true" });
      paintMap(canvas, options.map.side, options.map.values, options.map.both);
      box.append(canvas);
    }
    return el(
      "a",
      {
        class: options.mark ? "thumb marked" : "thumb",
        href: imageAddress(name),
        title: [name, label].filter(Boolean).join(" · ")
      },
      box,
      options.mark ? el("span", { class: "mark" }, options.mark) : null,
      options.value !== void 0 || below ? el(
        "span",
        { class: "below" },
        options.value !== void 0 ? el("span", { class: "value" }, options.value) : null,
        below ? el("span", { class: label ? "label" : "label name" }, el("bdi", {}, below)) : null
      ) : null
    );
  }
  function wall(items, whatFor, options = {}) {
    if (items.length === 0) return el("p", { class: "quiet" }, "no images");
    const write2 = even(items.map((item) => item.value));
    return el("ul", { class: ["wall", options.small ? "small" : "", options.twelve ? "twelve" : ""].join(" ").trim() }, items.map((item, i) => el("li", {}, thumb(item.image, { ...options, ...item, value: item.value === void 0 ? void 0 : write2(item.value), what: `${whatFor}, image ${i + 1}` }))));
  }
  function hits(images2, values, first2, count2) {
    const out = [];
    for (let i = first2; i < first2 + count2 && i < images2.length; i++) {
      if (images2[i] >= 0) out.push({ image: images2[i], value: values[i] });
    }
    return out;
  }

  // web/src/cards.mjs
  function unitCard(pair, words2, images2, values) {
    const name = unitName(pair);
    return el(
      "article",
      { class: "card", "data-unit": name, "aria-label": part("words").present ? `${name}: ${wordsText(words2)}` : name },
      el(
        "div",
        { class: "card-head" },
        el("a", { href: address(["p", name]), class: "unit" }, name),
        el("span", { class: "card-values" }, values.map(([text, v]) => el("span", {}, `${text} `, el("b", {}, typeof v === "string" ? v : format(v, 3))))),
        pinButton(name)
      ),
      el("div", { class: "card-words" }, wordsLine(words2)),
      el("div", { class: "strip" }, images2.map((image, i) => thumb(image, { labels: false, what: `image ${i + 1} of ${name}` })))
    );
  }

  // web/src/map.mjs
  var LEFT = 44;
  var BOTTOM = 34;
  function pairMap(ix, options = {}) {
    const { heads: allHeads, neurons } = state.overview.model;
    const heads2 = options.heads || Array.from({ length: allHeads }, (_, h) => h);
    const columns2 = {
      norm: ["mean norm", ix.pairs.norm],
      score: ["description score", ix.pairs.score],
      polysemanticity: ["polysemanticity", ix.pairs.polysemanticity]
    };
    const known = Object.entries(columns2).filter(([, [, c]]) => c.length > 0);
    const box = el("div", { class: "pairmap" });
    const canvas = el("canvas", { "aria-hidden": "true" });
    const overlay = svg("svg", { class: "axes", "aria-hidden": "true" });
    const tip = el("div", { class: "tip", hidden: true });
    box.append(canvas, overlay, tip);
    const select = el("select", {}, known.map(([key2, [text]]) => el("option", { value: key2 }, text)));
    const scale = el("span", { class: "scale" });
    let width = 0;
    let rowHeight = 0;
    let drag = null;
    const draw2 = () => {
      const [text, values] = columns2[select.value];
      const range2 = extent(values, heads2, neurons);
      rowHeight = Math.max(8, Math.min(40, Math.round(360 / heads2.length)));
      const height = heads2.length * rowHeight;
      const plot = width - LEFT - 2;
      box.style.height = `${height + BOTTOM}px`;
      canvas.style.width = `${plot}px`;
      canvas.style.height = `${height}px`;
      paint(canvas, values, heads2, neurons, range2, plot);
      axes(overlay, width, height, rowHeight, heads2, neurons);
      scale.replaceChildren(legend(el, false, [format(range2[0], 2), `${format(range2[1], 2)} ${text}`]));
    };
    const observer = new ResizeObserver(() => {
      if (!box.isConnected) {
        observer.disconnect();
        document.removeEventListener("clipnh-theme", redraw);
        return;
      }
      if (box.clientWidth > 0 && box.clientWidth !== width) {
        width = box.clientWidth;
        draw2();
      }
    });
    const redraw = () => width > 0 && box.isConnected && draw2();
    document.addEventListener("clipnh-theme", redraw);
    observer.observe(box);
    select.addEventListener("change", draw2);
    const at = (e) => {
      const r = box.getBoundingClientRect();
      const plot = width - LEFT - 2;
      const n = Math.floor((e.clientX - r.left - LEFT) / plot * neurons);
      const h = Math.floor((e.clientY - r.top) / rowHeight);
      return { n: Math.max(0, Math.min(neurons - 1, n)), row: Math.max(0, Math.min(heads2.length - 1, h)), x: e.clientX - r.left, y: e.clientY - r.top };
    };
    box.addEventListener("pointerdown", (e) => {
      if (e.button !== 0) return;
      drag = { from: at(e), to: at(e), rect: svg("rect", { class: "brush" }) };
      overlay.append(drag.rect);
      box.setPointerCapture(e.pointerId);
      e.preventDefault();
    });
    box.addEventListener("pointermove", (e) => {
      const here = at(e);
      if (drag) {
        drag.to = here;
        const [x0, x1] = [drag.from.x, here.x].sort((a, b) => a - b);
        const [y0, y1] = [drag.from.y, here.y].sort((a, b) => a - b);
        Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 }).forEach(([k, v]) => drag.rect.setAttribute(k, v));
        return;
      }
      const pair = heads2[here.row] * neurons + here.n;
      tip.hidden = here.x < LEFT || here.y > heads2.length * rowHeight;
      tip.textContent = `${unitName(pair)}: ${wordsText(wordsOf(ix, pair))}, ${columns2[select.value][0]} ${format(columns2[select.value][1][pair], 3)}`;
      tip.style.left = `${Math.min(here.x + 12, Math.max(0, width - 260))}px`;
      tip.style.top = `${here.y + 16}px`;
    });
    box.addEventListener("pointerleave", () => tip.hidden = true);
    box.addEventListener("pointerup", () => {
      if (!drag) return;
      const { from, to } = drag;
      drag.rect.remove();
      drag = null;
      if (Math.abs(from.x - to.x) < 4 && Math.abs(from.y - to.y) < 4) {
        go(address(["p", unitName(heads2[from.row] * neurons + from.n)]));
        return;
      }
      const rows2 = [from.row, to.row].sort((a, b) => a - b);
      const cols = [from.n, to.n].sort((a, b) => a - b);
      list2(heads2[rows2[0]], heads2[rows2[1]], cols[0], cols[1]);
    });
    const list2 = (h0, h1, n0, n1) => go(address(["s"], { head: h0 === h1 ? h0 : `${h0}-${h1}`, neuron: `${n0}-${n1}`, sort: "norm" }));
    const range = (name, max, value) => el("input", { type: "number", min: 0, max, value, "aria-label": name, inputmode: "numeric" });
    const choice = (name, chosen) => el(
      "select",
      { "aria-label": name },
      Array.from({ length: allHeads }, (_, h) => el("option", { value: h, selected: h === chosen }, headName(h)))
    );
    const inputs = [
      choice("first head", heads2[0]),
      choice("last head", heads2.at(-1)),
      range("first neuron", neurons - 1, 0),
      range("last neuron", neurons - 1, neurons - 1)
    ];
    const form2 = el(
      "form",
      { class: "ranges", on: { submit: (e) => {
        e.preventDefault();
        const v = inputs.map((i) => Number(i.value));
        list2(v[0], v[1], v[2], v[3]);
      } } },
      "Heads ",
      inputs[0],
      " to ",
      inputs[1],
      ", neurons ",
      inputs[2],
      " to ",
      inputs[3],
      " ",
      el("button", { type: "submit" }, "List these pairs")
    );
    return el(
      "div",
      {},
      el("div", { class: "tools" }, el("label", {}, "Shade by ", select), scale),
      figure("Each cell is a pair. Click one to open it; drag over an area to list its pairs.", {
        name: "pairs",
        columns: ["unit", "head", "neuron", ...known.map(([, [text]]) => text), "words"],
        rows: () => heads2.flatMap((h) => Array.from({ length: neurons }, (_, n) => {
          const p = h * neurons + n;
          return [unitName(p), headName(h), neuronName(n), ...known.map(([, [, c]]) => c[p]), wordsText(wordsOf(ix, p))];
        }))
      }, box),
      form2
    );
  }
  function extent(values, heads2, neurons) {
    let low = Infinity;
    let high = -Infinity;
    for (const h of heads2) {
      for (let i = h * neurons; i < (h + 1) * neurons; i++) {
        if (values[i] < low) low = values[i];
        if (values[i] > high) high = values[i];
      }
    }
    return [Math.min(low, 0), high];
  }
  function paint(canvas, values, heads2, neurons, [low, high], plot) {
    const columns2 = Math.max(1, Math.min(neurons, Math.floor(plot * devicePixelRatio)));
    canvas.width = columns2;
    canvas.height = heads2.length;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(columns2, heads2.length);
    const map = sequentialMap();
    const span = high > low ? high - low : 1;
    const peaks = new Float32Array(columns2);
    heads2.forEach((h, row) => {
      peaks.fill(-Infinity);
      for (let n = 0; n < neurons; n++) {
        const c = Math.floor(n * columns2 / neurons);
        const v = values[h * neurons + n];
        if (v > peaks[c]) peaks[c] = v;
      }
      for (let c = 0; c < columns2; c++) {
        const i = 4 * (row * columns2 + c);
        pixels.data.set(map[Math.max(0, Math.min(255, Math.round(255 * (peaks[c] - low) / span)))], i);
        pixels.data[i + 3] = 255;
      }
    });
    context.putImageData(pixels, 0, 0);
  }
  function axes(overlay, width, height, rowHeight, heads2, neurons) {
    overlay.setAttribute("viewBox", `0 0 ${width} ${height + BOTTOM}`);
    overlay.setAttribute("width", width);
    overlay.setAttribute("height", height + BOTTOM);
    const every = Math.ceil(14 / rowHeight);
    const labels = heads2.map((h, i) => i % every ? null : svg("text", { x: LEFT - 6, y: (i + 0.5) * rowHeight + 4, "text-anchor": "end" }, headName(h))).filter(Boolean);
    const wanted = Math.max(2, Math.floor((width - LEFT) / 90));
    const step2 = nice(neurons / wanted);
    for (let n = 0; n < neurons; n += step2) {
      const x = LEFT + n / neurons * (width - LEFT - 2);
      labels.push(svg("line", { x1: x, x2: x, y1: height, y2: height + 4 }), svg("text", { x, y: height + 16, "text-anchor": n ? "middle" : "start" }, n));
    }
    labels.push(svg("text", { x: width - 4, y: height + 31, "text-anchor": "end", class: "title" }, "neuron"));
    overlay.replaceChildren(...labels);
  }
  function nice(step2) {
    const power = 10 ** Math.floor(Math.log10(step2));
    return Math.max(1, [1, 2, 5, 10].map((m) => m * power).find((m) => m >= step2));
  }

  // web/src/charts.mjs
  function chart(label, height, options, data) {
    const box = el("div", { class: "chart", role: "img", "aria-label": label, style: { height: `${height}px` } });
    let plot = null;
    let width = 0;
    const draw2 = () => {
      plot?.destroy();
      plot = new uPlot({ width, height, legend: { show: false }, ...options() }, data, box);
    };
    const observer = new ResizeObserver(() => {
      if (!box.isConnected) {
        observer.disconnect();
        document.removeEventListener("clipnh-theme", onTheme);
        return;
      }
      const w = Math.floor(box.clientWidth);
      if (w > 0 && w !== width) {
        width = w;
        draw2();
      }
    });
    const onTheme = () => width > 0 && box.isConnected && draw2();
    document.addEventListener("clipnh-theme", onTheme);
    observer.observe(box);
    return box;
  }
  function axis(label, extra) {
    return {
      label,
      labelSize: 20,
      labelFont: "12px system-ui, sans-serif",
      font: "11px system-ui, sans-serif",
      stroke: colour("text-quiet"),
      grid: { stroke: colour("line"), width: 1 },
      ticks: { stroke: colour("line"), width: 1, size: 4 },
      ...extra
    };
  }
  function histogram(name, h, { x, caption, height = 150, marks = [] }) {
    const bins = h.counts.length;
    const width = (h.high - h.low) / bins;
    const centres = Array.from({ length: bins }, (_, i) => h.low + (i + 0.5) * width);
    const total = h.counts.reduce((a, b) => a + b, 0);
    const most = h.counts.indexOf(Math.max(...h.counts));
    const label = `histogram of ${x}: ${total.toLocaleString("en")} values from ${format(h.low)} to ${format(h.high)}, most around ${format(centres[most])}` + marks.map((m) => `; ${m.text} at ${format(m.at)}`).join("");
    const options = () => ({
      cursor: { show: false },
      scales: { x: { time: false, range: [h.low, h.high > h.low ? h.high : h.low + 1] }, y: { range: (u, min, max) => [0, max || 1] } },
      axes: [axis(x, { size: 26 }), axis(null, { size: 44 })],
      series: [{}, {
        fill: colour("accent-soft"),
        stroke: colour("accent"),
        width: 1,
        points: { show: false },
        paths: uPlot.paths.bars({ size: [1, Infinity], align: 0 })
      }],
      hooks: { draw: [(u) => drawMarks(u, marks)] }
    });
    return figure(caption, {
      name,
      columns: ["from", "to", "count"],
      rows: Array.from(h.counts, (c, i) => [h.low + i * width, h.low + (i + 1) * width, c])
    }, chart(label, height, options, [centres, Array.from(h.counts)]));
  }
  function drawMarks(u, marks) {
    const { ctx } = u;
    for (const m of marks) {
      const x = Math.round(u.valToPos(m.at, "x", true));
      if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
      ctx.save();
      ctx.strokeStyle = colour("warm");
      ctx.fillStyle = colour("text");
      ctx.lineWidth = 2 * devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(x, u.bbox.top);
      ctx.lineTo(x, u.bbox.top + u.bbox.height);
      ctx.stroke();
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      const right = x > u.bbox.left + u.bbox.width * 0.7;
      ctx.textAlign = right ? "right" : "left";
      ctx.fillText(m.text, x + (right ? -5 : 5) * devicePixelRatio, u.bbox.top + 12 * devicePixelRatio);
      ctx.restore();
    }
  }
  function curves(name, { x, y, xs, lines, caption, label, height = 240, xValues, yValues, range, numbers: numbers2 }) {
    const options = () => ({
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: false }, y: { range: range || ((u, min, max) => [Math.min(0, min), max]) } },
      axes: [axis(x, { size: 26, values: xValues }), axis(y, { size: 50, values: yValues })],
      series: [{ label: x }, ...lines.map((l) => ({
        label: l.label,
        stroke: colour(l.colour),
        width: 2,
        points: { show: true, size: 6, fill: colour(l.colour) },
        dash: l.dash
      }))]
    });
    return figure(
      caption,
      { name, ...numbers2 ?? { columns: [x, ...lines.map((l) => l.label)], rows: xs.map((v, i) => [v, ...lines.map((l) => l.values[i])]) } },
      el("div", { class: "key" }, lines.map((l) => el(
        "span",
        {},
        el("i", { class: l.dash ? "dash" : "", style: { "border-color": `var(--${l.colour})` }, "aria-hidden": "true" }),
        l.label
      ))),
      chart(label, height, options, [xs, ...lines.map((l) => l.values)])
    );
  }
  function points(name, { x, y, xs, ys, names, caption, label, height = 320, onPick }) {
    const order2 = Array.from(xs.keys()).sort((a, b) => xs[a] - xs[b]);
    const options = () => ({
      cursor: { drag: { x: false, y: false }, points: { size: 9 } },
      scales: { x: { time: false }, y: {} },
      axes: [axis(x, { size: 26 }), axis(y, { size: 50 })],
      series: [{}, { stroke: colour("accent"), paths: () => null, points: { show: true, size: 6, width: 1, fill: colour("accent-soft") } }],
      hooks: onPick ? { ready: [(u) => u.over.addEventListener("click", () => u.cursor.idx != null && onPick(order2[u.cursor.idx]))] } : {}
    });
    return figure(
      caption,
      { name, columns: ["image", x, y], rows: order2.map((i) => [names[i], xs[i], ys[i]]) },
      chart(label, height, options, [order2.map((i) => xs[i]), order2.map((i) => ys[i])])
    );
  }
  function bars(name, items, { caption, columns: columns2, label, digits = 3, numbers: numbers2 }) {
    const narrow = innerWidth < 640;
    const width = narrow ? 370 : 560;
    const height = 24;
    const most = Math.max(...items.map((i) => Math.abs(i.value)), 1e-12);
    const negative = items.some((i) => i.value < 0);
    const textWidth = narrow ? 128 : 190;
    const left = textWidth + (negative ? 60 : 0);
    const span = negative ? (width - textWidth - 120) / 2 : width - textWidth - 60;
    const zero = negative ? left + span : left;
    const write2 = even(items.map((i) => i.value), digits);
    const rows2 = items.map((item, i) => {
      const w = Math.abs(item.value) / most * span;
      const y = i * height;
      const at = item.value < 0 ? zero - w : zero;
      const text = svg("text", { x: textWidth - 8, y: y + 16, "text-anchor": "end", class: item.href ? "link" : null }, fit(item.text, textWidth - 12, 13), svg("title", {}, item.title || item.text));
      return svg(
        "g",
        {},
        item.href ? svg("a", { href: item.href }, text) : text,
        svg("rect", { x: at, y: y + 4, width: Math.max(w, 1), height: height - 8, rx: 2, class: item.value < 0 ? "bar low" : "bar high" }),
        svg("text", { x: item.value < 0 ? at - 5 : at + w + 5, y: y + 16, "text-anchor": item.value < 0 ? "end" : "start", class: "value" }, write2(item.value))
      );
    });
    const picture2 = svg(
      "svg",
      { viewBox: `0 0 ${width} ${items.length * height + 4}`, class: "bars", role: "group", "aria-label": label, style: { "max-width": `${width}px` } },
      svg("line", { x1: zero, x2: zero, y1: 0, y2: items.length * height, class: "zero" }),
      rows2
    );
    return figure(caption, { name, ...numbers2 ?? { columns: columns2, rows: items.map((i) => [i.name ?? i.text, i.value]) } }, picture2);
  }
  function cut(text, length) {
    return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
  }
  function fit(text, width, size) {
    fit.context ||= document.createElement("canvas").getContext("2d");
    fit.context.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
    let short = text;
    for (let length = text.length; length > 1 && fit.context.measureText(short).width > width; length--) short = cut(text, length - 1);
    return short;
  }
  var swatch = (x) => css(diverging(x));

  // web/src/pages/overview.mjs
  var LISTS = {
    strongest: ["The strongest pairs", "These add most to the image feature, averaged over all images.", "norm", "mean norm"],
    purest: ["The purest pairs", "Their strongest images are most alike: they show one thing. Only the stronger half of the pairs, by mean norm, is listed: a weak pair says little.", "polysemanticity", "polysemanticity"],
    best_described: ["The best described pairs", "Their words predict best which images they respond to.", "spearman", "score"]
  };
  var HISTOGRAMS = {
    norm: ["Mean norm of pairs", "norm", "mean norm"],
    polysemanticity: ["Polysemanticity of pairs", "polysemanticity", "polysemanticity"],
    score: ["How well words describe pairs", "spearman", "description score"]
  };
  async function overview() {
    await images();
    const o = state.overview;
    const { heads: heads2, neurons } = o.model;
    const pairs = heads2 * neurons;
    const lead = form().lead(o.model.name && o.model.name !== "custom" ? `, ${o.model.name},` : "", pairs.toLocaleString("en"));
    const map = el("div", { class: "loading" }, "loading the map…");
    const lists = el("div", {}, o.lists.map((l) => unitList(l, null)));
    const later = index().then((ix) => {
      map.replaceWith(pairMap(ix));
      replace(lists, o.lists.map((l) => unitList(l, ix)));
    });
    return {
      title: "Overview",
      later,
      heading: o.title,
      nodes: [
        el(
          "div",
          { class: "lead" },
          el(
            "p",
            {},
            "A network of the kind called CLIP",
            what("clip"),
            " turns an image into a list of numbers that can be compared with texts. ",
            lead[0],
            what("neuron"),
            lead[1],
            what("head"),
            lead[2],
            what("pair", ".")
          ),
          el("p", {}, `These pages show, for every pair, ${joined([
            `which of ${count(o.data.images, "image")} it responds to`,
            part("words").present ? "words for what it stands for" : "",
            o.data.classes.length ? "what the model loses without it" : ""
          ])}.`),
          searchForm(pairs)
        ),
        changed(o.data),
        lists,
        section("All pairs at a glance", {}, map),
        accuracy(o),
        section("How pairs differ", {}, el("div", { class: "columns three" }, Object.entries(HISTOGRAMS).map(([key2, [caption, term, x]]) => o.histograms[key2] && o.histograms[key2].counts.length ? el("div", {}, histogram(`histogram-${key2}`, o.histograms[key2], { x, caption: [caption, what(term)] })) : null))),
        section("Model and images", {}, facts([
          ["model", o.model.name],
          ["image feature", `${o.model.out_dim} numbers`],
          ["pairs", `${heads2} heads × ${neurons.toLocaleString("en")} neurons = ${pairs.toLocaleString("en")}`, "pair"],
          o.model.input_size ? ["image size", `${o.model.input_size} × ${o.model.input_size} pixels`] : null,
          o.model.precision ? ["precision", o.model.precision] : null,
          ["images", `${o.data.images.toLocaleString("en")}${o.data.name ? `, ${o.data.name}` : ""}`],
          o.data.classes.length ? ["classes", o.data.classes.length] : null,
          o.data.groups.length ? ["groups", o.data.groups.length] : null,
          ["weights, SHA-256", el("code", { class: "hash" }, o.model.weights_sha256)]
        ]), note("Every file that this was made from, with its hash and command: ", el("a", { href: "#/about" }, "about this report"), ".")),
        lacking(o)
      ]
    };
  }
  function changed({ changed: n, changed_images: which = [] }) {
    if (!n) return null;
    const most = 20;
    const links = which.slice(0, most).map((i) => el("a", { href: imageAddress(state.images.names[i]) }, state.images.names[i]));
    return el(
      "p",
      { class: "note changed", role: "note" },
      n === 1 ? "One image changed since its scores were collected; the numbers are those of the earlier one" : `${n.toLocaleString("en")} images changed since their scores were collected; the numbers are those of the earlier ones`,
      links.length ? ": " : "",
      links.map((a, i) => [i ? ", " : "", a]),
      which.length > most ? ` and ${(which.length - most).toLocaleString("en")} more` : "",
      ".",
      which.length ? " They are marked “changed” wherever they are drawn." : ""
    );
  }
  function searchForm(pairs) {
    const input = el("input", { type: "search", name: "q", placeholder: part("words").present ? `yellow, stripes, ${example()} …` : `${example()} …`, "aria-label": part("words").present ? "search pairs by word or name" : "search pairs by name", autocomplete: "off" });
    return el(
      "form",
      { class: "big-search", role: "search", "aria-label": "pairs", on: { submit: (e) => {
        e.preventDefault();
        go(address(["s"], { q: input.value }));
      } } },
      input,
      el("button", { type: "submit" }, "Search"),
      el(
        "span",
        { class: "quiet" },
        "or ",
        el("a", { href: "#/s" }, `browse all ${pairs.toLocaleString("en")} pairs`),
        ", ",
        el("a", { href: "#/h" }, "the heads"),
        ", ",
        el("a", { href: "#/i" }, "the images")
      )
    );
  }
  function unitList(list2, ix) {
    const [heading, explanation, term, unit] = LISTS[list2.name] || [list2.name, "", null, "value"];
    if (list2.units.length === 0) return null;
    const write2 = even(list2.units.slice(0, 6).map((u) => u.value));
    const all2 = address(["s"], { strongest: { sort: "norm" }, purest: { sort: "purity", norm: 50 }, best_described: { sort: "score" } }[list2.name]);
    return section(
      heading,
      { what: term },
      el("p", { class: "quiet" }, explanation, " ", el("a", { href: all2 }, "All in this order")),
      el("div", { class: "cards" }, list2.units.slice(0, 6).map((u) => unitCard(u.pair, ix ? u.words.map((w) => ({ text: ix.words[w.word], coefficient: w.coefficient })) : [], u.images, [[unit, write2(u.value)]])))
    );
  }
  function accuracy(o) {
    if (!o.accuracy) return null;
    const a = o.accuracy;
    const curve = [...o.ablation].sort((x, y) => x.share - y.share);
    return section(
      "What the model gets right, and with how few pairs",
      {},
      el("p", {}, "By the names of the classes, ", el("b", { class: "accuracy" }, percent(a.all, 2)), ` of ${count(a.images, "image")} are classified right`, what("accuracy", ".")),
      curve.length ? curves("ablation", {
        x: "share of units kept, %",
        y: "accuracy, %",
        xs: curve.map((c) => 100 * c.share),
        lines: [
          { label: "pairs kept", values: curve.map((c) => 100 * c.pairs), colour: "accent" },
          { label: "neurons kept", values: curve.map((c) => 100 * c.neurons), colour: "warm", dash: [6, 4] }
        ],
        range: [0, 100],
        label: `accuracy by share of units kept: ${curve.map((c) => `${format(100 * c.share, 3)} %: pairs ${percent(c.pairs)}, neurons ${percent(c.neurons)}`).join("; ")}`,
        caption: ["Accuracy when only the strongest units are kept", what("curve"), " Where pairs lie above neurons, pairs are the finer unit."]
      }) : null,
      el(
        "details",
        {},
        el("summary", {}, "Accuracy by class", o.data.groups.length ? " and group" : ""),
        figure(
          "accuracy by class",
          { name: "accuracy-by-class", columns: ["class", "images", "accuracy"], rows: a.by_class.map((v, i) => [o.data.classes[i], a.class_images[i], v]) },
          table(["class", "images", "accuracy"], a.by_class.map((v, i) => [o.data.classes[i], { n: a.class_images[i] }, { n: a.class_images[i] ? percent(v) : "–" }]), { label: "accuracy by class" })
        ),
        o.data.groups.length && a.by_group?.length ? figure(
          "accuracy by group",
          { name: "accuracy-by-group", columns: ["group", "images", "accuracy"], rows: a.by_group.map((v, i) => [o.data.groups[i], a.group_images[i], v]) },
          table(["group", "images", "accuracy"], a.by_group.map((v, i) => [o.data.groups[i], { n: a.group_images[i] }, { n: a.group_images[i] ? percent(v) : "–" }]), { label: "accuracy by group" })
        ) : null
      )
    );
  }
  function lacking(o) {
    const missing = o.parts.filter((p) => !p.present);
    if (missing.length === 0) return null;
    return section("What this report lacks", {}, el("ul", { class: "plain" }, missing.map((p) => el("li", {}, el("b", {}, p.name.replaceAll("_", " ")), p.need ? [" (needs ", flags(p.need), ")"] : ""))));
  }

  // web/src/virtual.mjs
  var TALLEST = 15e6;
  function virtualList(row, height, label) {
    const box = el("div", { class: "virtual", role: "list", "aria-label": label });
    let length = 0;
    let active = -1;
    let shown = /* @__PURE__ */ new Map();
    const draw2 = (again) => {
      if (!box.isConnected) return;
      const h = height();
      const top = box.getBoundingClientRect().top;
      const first2 = Math.max(0, Math.floor(-top / h) - 3);
      const last = Math.min(length, Math.ceil((innerHeight - top) / h) + 3);
      const next = /* @__PURE__ */ new Map();
      for (let i = first2; i < last; i++) {
        const node = !again && shown.get(i) || make(i, h);
        next.set(i, node);
      }
      if (again || !same(shown, next)) {
        for (const [i, node] of shown) if (next.get(i) !== node) node.remove();
        for (const [i, node] of next) if (!node.isConnected) box.insertBefore(node, next.get(i + 1)?.isConnected ? next.get(i + 1) : null);
        shown = next;
      }
    };
    const make = (i, h) => {
      const node = el("div", { role: "listitem", class: "row", "aria-setsize": length, "aria-posinset": i + 1 }, row(i));
      node.style.position = "absolute";
      node.style.insetInline = "0";
      node.style.top = `${i * h}px`;
      node.style.height = `${h}px`;
      if (i === active) node.classList.add("active");
      return node;
    };
    let pending = false;
    const soon = () => {
      if (!box.isConnected && shown.size) {
        removeEventListener("scroll", soon);
        removeEventListener("resize", resized);
        return;
      }
      if (pending) return;
      pending = true;
      requestAnimationFrame(() => {
        pending = false;
        draw2(false);
      });
    };
    const resized = () => {
      box.style.height = `${length * height()}px`;
      draw2(true);
    };
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", resized);
    return {
      node: box,
      // most is how many rows a browser can place.
      most: () => Math.floor(TALLEST / height()),
      setLength(n) {
        length = n;
        active = -1;
        box.style.height = `${n * height()}px`;
        draw2(true);
      },
      move(by) {
        if (length === 0) return;
        active = Math.max(0, Math.min(length - 1, active < 0 ? 0 : active + by));
        const h = height();
        const top = box.getBoundingClientRect().top + active * h;
        if (top < 120 || top + h > innerHeight) scrollBy(0, top - innerHeight / 3);
        draw2(false);
        for (const [i, node] of shown) node.classList.toggle("active", i === active);
        shown.get(active)?.querySelector("a")?.focus({ preventScroll: true });
      }
    };
  }
  function same(a, b) {
    if (a.size !== b.size) return false;
    for (const [i, node] of b) if (a.get(i) !== node) return false;
    return true;
  }

  // web/src/live/text.mjs
  function normal(answer4) {
    return {
      word: answer4.text,
      pairs: answer4.pairs.map((p) => ({ pair: p.pair ?? parseUnit(p.unit).pair, cosine: p.cosine, norm: p.norm })),
      images: answer4.images || [],
      groups: answer4.groups
    };
  }
  function textAnswer(box, text, record2) {
    need(box, "text", () => {
      const result = el("div", {}, "…");
      waiting2(result, get("text", { q: text }), (answer4) => record2(normal(answer4)));
      return result;
    });
  }
  function liveText(box, input) {
    if (!state.live) return;
    box.append(el(
      "p",
      { class: "live" },
      button("Embed this text now", () => input.value.trim() && go(address(["t"], { q: input.value.trim() }))),
      el("span", { class: "quiet" }, " any text: the pairs whose direction is nearest, and the nearest images")
    ));
  }

  // web/src/pages/search.mjs
  function parseHeads(text) {
    const number = (typed) => {
      if (/^\s*\d+\s*$/.test(typed)) return Number(typed);
      const unit = parseUnit(typed);
      return unit && unit.neuron < 0 ? unit.head : -1;
    };
    return text.split(",").map((part2) => {
      const [from, to = from] = part2.split("-").map(number);
      return [from, Math.min(to, state.overview.model.heads - 1)];
    }).filter(([from, to]) => from >= 0 && from <= to);
  }
  var headsOf = (spans) => spans.length ? new Set(spans.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i))) : null;
  function parseRange(text) {
    const m = /^(\d+)-(\d+)$/.exec(text || "");
    return m ? [Number(m[1]), Number(m[2])] : null;
  }
  var ADDRESS = 250;
  async function searchPage({ query: query2 }) {
    const [ix] = await Promise.all([index(), images()]);
    const has = (column) => ix.pairs[column].length > 0;
    const input = el("input", { type: "search", value: query2.get("q") || "", id: "search-words", autocomplete: "off", spellcheck: "false", placeholder: `words, or a unit such as ${example()}` });
    const option = (value, text2, chosen) => el("option", { value, selected: value === chosen }, text2);
    const sortKeys = Object.keys(SORTS).filter((k) => !{ score: !has("score"), purity: !has("polysemanticity"), effect: !has("effect") }[k]);
    const sort = el("select", {}, sortKeys.map((k) => option(k, SORTS[k], query2.get("sort") || "match")));
    const { heads: heads2 } = state.overview.model;
    const spans = parseHeads(query2.get("head") || "");
    const given = spans.map(([from, to]) => from === to ? `${from}` : `${from}-${to}`).join(",");
    const head = el("select", {}, option("", "all heads", ""), Array.from({ length: heads2 }, (_, h) => option(String(h), headName(h), given)));
    if (given && !/^\d+$/.test(given)) head.append(option(given, `heads ${spans.map(([from, to]) => from === to ? headName(from) : `${headName(from)} to ${headName(to)}`).join(", ")}`, given));
    const sign = el("select", {}, [["", "either sign"], ["+", "adds its direction"], ["-", "takes it away"]].map(([v, t]) => option(v, t, query2.get("sign") || "")));
    const slider = (name, value) => el("input", { type: "range", min: 0, max: 95, step: 5, value: value || 0, "aria-label": name });
    const norm = slider("leave out the weakest share of pairs", query2.get("norm"));
    const purity = slider("leave out the least pure share of pairs", query2.get("purity"));
    const normText = el("output", {});
    const purityText = el("output", {});
    const neurons = query2.get("neuron") || "";
    const clear2 = neurons ? el("a", { href: "#/s", class: "chip" }, `neurons ${neurons} ×`) : null;
    const status = el("p", { role: "status", "aria-live": "polite", class: "result-count" });
    const live = el("div", {});
    const text = el("p", { class: "text-link", hidden: true });
    let found = new Uint32Array(0);
    const columns2 = [["norm", "norm"], ["words", "score"], ["poly.", "polysemanticity"]].filter(([, column]) => has(column)).map(([name, column]) => [name, ix.pairs[column], even(ix.pairs[column])]);
    const list2 = virtualList((i) => {
      const p = found[i];
      const values = columns2.map(([name, column, write2]) => [name, write2(column[p])]);
      return unitCard(p, wordsOf(ix, p), imagesOf(ix, p), values);
    }, () => innerWidth < 640 ? 142 : 94, "pairs found");
    const run = () => {
      const o = { query: input.value, sort: sort.value, heads: headsOf(parseHeads(head.value)), neurons: parseRange(neurons), sign: sign.value, norm: norm.value / 100, purity: purity.value / 100 };
      const started = performance.now();
      found = search(ix, o);
      const most = list2.most();
      list2.setLength(Math.min(found.length, most));
      state.results = found;
      linkText();
      normText.textContent = norm.value > 0 ? `strongest ${100 - norm.value} %` : "all";
      purityText.textContent = purity.value > 0 ? `purest ${100 - purity.value} %` : "all";
      replace(
        status,
        `${found.length.toLocaleString("en")} of ${(heads2 * state.overview.model.neurons).toLocaleString("en")} pairs`,
        found.length > most ? `; the first ${most.toLocaleString("en")} are listed` : "",
        found.length === 0 ? ". Try a shorter word, or fewer facets. Words are those that describe pairs, not names of images." : ""
      );
      clearTimeout(pending);
      pending = setTimeout(address2, ADDRESS);
      state.lastSearch = performance.now() - started;
    };
    const linkText = () => {
      const typed = input.value.trim();
      const word = parseUnit(typed) ? -1 : ix.lower.indexOf(typed.toLowerCase());
      text.hidden = word < 0 || !(state.live || word < (state.overview.shards.text_count ?? ix.words.length));
      replace(text, text.hidden ? null : el("a", { href: address(["t"], { q: ix.words[word] }) }, `Pairs closest to the text “${ix.words[word]}”`));
    };
    let pending = 0;
    const address2 = () => {
      if (status.isConnected && parse(location.hash).kind === "s") setQuery({ q: input.value, sort: sort.value === "match" ? "" : sort.value, head: head.value, neuron: neurons, sign: sign.value, norm: norm.value > 0 ? norm.value : "", purity: purity.value > 0 ? purity.value : "" });
    };
    for (const control of [sort, head, sign]) control.addEventListener("change", run);
    for (const control of [input, norm, purity]) control.addEventListener("input", run);
    if (state.live) liveText(live, input);
    return {
      title: input.value ? `Pairs for “${input.value}”` : "Pairs",
      heading: "Find pairs",
      nodes: [
        el(
          "form",
          { class: "search-form", role: "search", "aria-label": "find pairs", on: { submit: (e) => e.preventDefault() } },
          el("label", { class: "wide" }, "Words ", input),
          el("label", {}, "Order ", sort),
          el("label", {}, "Head ", head),
          has("sign") ? el("label", {}, "Sign ", sign) : null,
          el("label", {}, "Norm ", norm, normText),
          has("polysemanticity") ? el("label", {}, "Purity ", purity, purityText) : null,
          clear2
        ),
        el(
          "div",
          { class: "status-line" },
          status,
          numbersOf({ name: "found-pairs", columns: ["unit", "norm", "score", "polysemanticity", "effect", "words"], rows: () => Array.from(found, (p) => [
            unitName(p),
            ix.pairs.norm[p],
            ix.pairs.score[p] ?? null,
            ix.pairs.polysemanticity[p] ?? null,
            ix.pairs.effect[p] ?? null,
            wordsText(wordsOf(ix, p))
          ]) }),
          el("span", { class: "quiet" }, "norm", what("norm"), " words", what("spearman"), " poly.", what("polysemanticity"))
        ),
        live,
        text,
        list2.node
      ],
      focus: () => input,
      shown: run,
      move: (by) => list2.move(by)
    };
  }

  // web/src/neuron.mjs
  var K = { strongest: 12, weakest: 4, quantiles: 4 };
  async function neuronFile(neuron) {
    const [file, ix] = await Promise.all([load(`n/${neuron}`), index()]);
    return { file, ix };
  }
  function neuronRecord({ file, ix }) {
    const strongest2 = { images: indices(file.strongest.images), values: numbers(file.strongest.values) };
    const weakest = { images: indices(file.weakest.images), values: numbers(file.weakest.values) };
    const quantiles = { images: indices(file.quantiles.images), values: numbers(file.quantiles.values) };
    return {
      strongest: hits(strongest2.images, strongest2.values, 0, K.strongest),
      weakest: hits(weakest.images, weakest.values, 0, K.weakest),
      quantiles: quantileHits(quantiles, 0),
      norm: file.norm,
      words: file.words.map((w) => ({ word: w.word, text: ix.words[w.word], coefficient: w.coefficient })),
      histogram: file.histogram,
      polysemanticity: file.polysemanticity,
      maps: decodeMaps(file.maps)
    };
  }
  function quantileHits(q, unit) {
    const each2 = Math.min(K.quantiles, state.overview.data.images);
    return QUANTILES.map((share, i) => ({ share, items: hits(q.images, q.values, (unit * QUANTILES.length + i) * each2, each2) }));
  }
  function pairRecord({ file, ix }, head) {
    const p = file.pairs;
    const images2 = state.overview.data.images;
    const at = (column) => {
      const v = numbers(column);
      return v.length > head ? v[head] : null;
    };
    const { heads: heads2 } = state.overview.model;
    const row = (column, decode3) => {
      const all2 = decode3(column);
      const each2 = all2.length / heads2;
      return all2.subarray(head * each2, (head + 1) * each2);
    };
    const list2 = (h) => {
      const all2 = indices(h.images);
      const each2 = all2.length / heads2;
      return hits(all2, numbers(h.values), head * each2, each2);
    };
    const words2 = row(p.words, indices);
    const coefficients = row(p.coefficients, numbers);
    const bins = p.histogram.counts ? numbers(p.histogram.counts) : [];
    const perHead = bins.length / heads2;
    const near2 = (n) => {
      const pairs = row(n.pairs, indices);
      const values = row(n.values, numbers);
      return Array.from(pairs, (pair, i) => ({ pair, value: values[i] })).filter((x) => x.pair >= 0);
    };
    const adds = at(p.adds) ?? 0;
    const zip = (names, values) => {
      const i = row(names, indices);
      const v = row(values, numbers);
      return Array.from(i, (label, k) => ({ label, value: v[k] })).filter((x) => x.label >= 0);
    };
    const effects = zip(p.ablation.classes, p.ablation.logit);
    const accuracies = row(p.ablation.accuracy, numbers);
    return {
      square: at(p.square),
      zero: at(p.square) === 0,
      cross: at(p.cross),
      constant: at(p.constant),
      normMean: at(p.norm_mean),
      normSD: at(p.norm_deviation),
      normLargest: at(p.norm_largest),
      scoreMean: at(p.score_mean),
      scoreSD: at(p.score_deviation),
      strongest: list2(p.strongest).map((x, i) => ({ ...x, adds: Boolean(adds >> i & 1) })),
      weakest: list2(p.weakest),
      quantiles: quantileHits({ images: indices(p.quantiles.images), values: numbers(p.quantiles.values) }, head),
      words: Array.from(words2, (word, i) => ({ word, text: ix.words[word], coefficient: coefficients[i] })).filter((w) => w.word >= 0),
      residual: at(p.residual),
      spearman: at(p.spearman),
      auc: at(p.auc),
      firstSpearman: at(p.first_spearman),
      firstAUC: at(p.first_auc),
      polysemanticity: at(p.polysemanticity),
      histogram: bins.length ? { low: at(p.histogram.low), high: at(p.histogram.high), counts: Array.from(bins.subarray(head * perHead, (head + 1) * perHead)) } : null,
      byDirection: near2(p.by_direction),
      byScores: near2(p.by_scores),
      highest: zip(p.label_means.highest, p.label_means.high),
      lowest: zip(p.label_means.lowest, p.label_means.low),
      effects: effects.map((e, i) => ({ ...e, accuracy: accuracies[i] })),
      scores: present(p.scores) ? numbers(p.scores).subarray(head * images2, (head + 1) * images2) : null
    };
  }
  function decodeMaps(maps) {
    const out = /* @__PURE__ */ new Map();
    if (!maps) return out;
    const raw = numbers(maps.values);
    const each2 = maps.side * maps.side;
    maps.images.forEach((image, i) => out.set(image, {
      side: maps.side,
      scale: maps.scale[i],
      values: Float32Array.from(raw.subarray(i * each2, (i + 1) * each2), (v) => v / 255)
    }));
    return out;
  }

  // web/src/waterfall.mjs
  var ROW = 22;
  function waterfall(ix, r, name, caption) {
    const bar = (p) => ({ href: address(["p", unitName(p.pair)]), text: unitName(p.pair), words: wordsText(wordsOf(ix, p.pair).slice(0, 2)), value: p.part });
    const { rest: rest2, rest_of: words2 } = wording();
    return sumOf(r, bar, { noun: "pair", rest: rest2, words: words2 }, name, caption);
  }
  function sumOf(r, bar, said, name, caption) {
    const one2 = (p) => ({ ...bar(p), from: 0, to: p.part });
    const units = [...r.for.map(one2), ...[...r.against].reverse().map(one2)];
    const steps = sumSteps(r, said);
    const logit = steps.at(-1).to;
    return figure(
      caption,
      { name, columns: ["part", "value"], rows: [...units, ...steps].map((s) => [s.text, s.value]) },
      units.length ? [el("p", { class: "quiet" }, `The ${said.noun}s that add and take away most:`), bars2(units, 3, `what each listed ${said.noun} adds to the logit`)] : null,
      el("p", { class: "quiet" }, "All parts, on a scale of their own; each bar begins where the one above it ends:"),
      bars2(steps, 4, `the logit ${format(logit, 4)} as a sum of ${steps.length - 1} parts`)
    );
  }
  function sumSteps(r, { noun, rest: rest2, words: words2 }) {
    const total = (parts2) => parts2.reduce((sum, p) => sum + p.part, 0);
    const steps = [
      { text: rest2, words: words2, value: r.constant },
      r.for.length ? { text: count(r.for.length, noun), words: "listed, for", value: total(r.for) } : null,
      r.against.length ? { text: count(r.against.length, noun), words: "listed, against", value: total(r.against) } : null,
      r.rest_heads === 0 ? null : { text: `all other ${noun}s`, words: "", value: r.rest }
    ].filter(Boolean);
    let at = 0;
    for (const s of steps) {
      s.from = at;
      at += s.value;
      s.to = at;
    }
    return [...steps, { text: "sum = logit", words: "", value: at, from: 0, to: at, sum: true }];
  }
  function bars2(steps, digits, label) {
    const numbers2 = steps.map((s) => s.value);
    const [plain, signed2] = [even(numbers2, digits), evenSigned(numbers2, digits)];
    const ends = steps.flatMap((s) => [s.from, s.to]);
    const low = Math.min(0, ...ends);
    const high = Math.max(0, ...ends);
    const narrow = innerWidth < 640;
    const width = narrow ? 370 : 680;
    const left = narrow ? 150 : 272;
    const values = 74;
    const scale = (v) => left + values + (v - low) / (high - low || 1) * (width - left - values - 4);
    const rows2 = steps.map((s, i) => {
      const y = i * ROW;
      const [x0, x1] = [scale(Math.min(s.from, s.to)), scale(Math.max(s.from, s.to))];
      const next = steps[i + 1];
      const text = svg(
        "text",
        { x: left - 8, y: y + 15, "text-anchor": "end", class: s.href ? "link" : s.sum ? "total" : null },
        fit(s.words ? `${s.text} ${s.words}` : s.text, left - 12, 12),
        svg("title", {}, `${s.text} ${s.words}`)
      );
      return svg(
        "g",
        {},
        s.href ? svg("a", { href: s.href }, text) : text,
        svg("text", { x: left + values - 14, y: y + 15, "text-anchor": "end", class: s.sum ? "value total" : "value" }, s.sum ? plain(s.value) : signed2(s.value)),
        svg("rect", { x: x0, y: y + 4, width: Math.max(1, x1 - x0), height: ROW - 8, class: `bar ${s.sum ? "sum" : s.value < 0 ? "low" : "high"}` }),
        next && next.from === s.to ? svg("line", { x1: scale(s.to), x2: scale(s.to), y1: y + 4, y2: y + ROW + 4, class: "join" }) : null
      );
    });
    const height = steps.length * ROW;
    return svg(
      "svg",
      { viewBox: `0 0 ${width} ${height + 6}`, class: "bars waterfall", role: "group", "aria-label": label, style: { "max-width": `${width + 120}px` } },
      svg("line", { x1: scale(0), x2: scale(0), y1: 0, y2: height, class: "zero" }),
      rows2
    );
  }

  // web/src/live/off.mjs
  var off = /* @__PURE__ */ new Set();
  var switchedOff = () => [...off];
  function isOff(unit) {
    return off.has(unit);
  }
  function flip(unit) {
    if (!off.delete(unit)) off.add(unit);
    document.dispatchEvent(new CustomEvent("clipnh-off"));
  }
  function clear() {
    off.clear();
    document.dispatchEvent(new CustomEvent("clipnh-off"));
  }
  function whileShown(node, draw2) {
    const follow = () => node.isConnected ? draw2() : document.removeEventListener("clipnh-off", follow);
    document.addEventListener("clipnh-off", follow);
    draw2();
  }

  // web/src/live/segment.mjs
  function segmentation(a, square) {
    const canvas = el("canvas", { class: "map crisp", "aria-hidden": "true" });
    square.classList.add("large");
    square.append(canvas);
    const problem = el("div", {});
    draw(canvas, a.png).catch((err) => problem.append(failure(err)));
    return el(
      "div",
      { class: "columns two" },
      el("div", { class: "image-box" }, square, problem),
      figure(
        "Share of the pixels that each class has.",
        { name: "segmentation", columns: ["class", "share"], rows: a.classes.map((c) => [c.class, c.share]) },
        table(["class", "share of pixels"], a.classes.map((c) => [
          el("span", {}, el("i", { class: "swatch", "aria-hidden": "true", style: { background: c.colour } }), c.class),
          { n: percent(c.share) }
        ]), { label: "shares of pixels" })
      )
    );
  }
  async function draw(canvas, base64) {
    const bitmap = await createImageBitmap(new Blob([base64Bytes(base64)], { type: "image/png" }), { colorSpaceConversion: "none" });
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height);
    for (let i = 3; i < pixels.data.length; i += 4) pixels.data[i] = 165;
    context.putImageData(pixels, 0, 0);
  }

  // web/src/live/edited.mjs
  function editLine({ edit, edit_note: about }) {
    if (!edit) return about ? note(`No edit of the weights makes that model: ${about}.`) : null;
    return el(
      "div",
      { class: "command" },
      el("p", {}, about ? "This edits the weights:" : "This command makes that model:"),
      el("pre", { tabindex: "0", role: "region", "aria-label": "command that makes the edited model" }, el("code", {}, edit)),
      navigator.clipboard ? button("Copy", () => navigator.clipboard.writeText(edit)) : null,
      about ? note(`${about[0].toUpperCase()}${about.slice(1)}.`) : null
    );
  }

  // web/src/live/heads.mjs
  var nowhere = (m) => m.class_token === void 0 ? ["position embedding", m.position] : ["class token", m.class_token];
  function mapped(square, m, side, most) {
    const canvas = el("canvas", { class: "map", "aria-hidden": "true" });
    paintMap(canvas, side, m.places.map((v) => v / most), true);
    square.append(canvas);
    return square;
  }
  function headMaps(a, name, make) {
    const maps = a.explanation?.head_maps?.maps || [];
    if (maps.length === 0) return null;
    const side = a.places.side;
    const most = Math.max(...maps.flatMap((m) => m.places.map(Math.abs))) || 1;
    const part2 = evenSigned(maps.map((m) => m.part));
    return el(
      "div",
      { class: "head-maps" },
      el("h3", {}, "By heads ", what("head_map")),
      el("p", { class: "quiet" }, `What the heads of the largest parts add to the logit of “${a.target}”, and where they find it.`),
      figure(
        "",
        { name: `heads-${name}`, columns: ["head", "part", "share", nowhere(maps[0])[0], "row", "column", "place"], rows: () => rows(maps, side) },
        el("ul", { class: "wall" }, maps.map((m) => el(
          "li",
          { "data-head": m.head },
          el(
            "span",
            { class: "thumb" },
            mapped(make(`what each place adds through ${m.head}`), m, side, most),
            el("span", { class: "below" }, el("span", { class: "value" }, part2(m.part)), el("span", { class: "label unit" }, m.head))
          )
        ))),
        legend(el, true, [signed(-most), `${signed(most)} of the logit`])
      )
    );
  }
  function rows(maps, side) {
    return maps.flatMap((m) => m.places.map((v, i) => [m.head, m.part, m.share, nowhere(m)[1], Math.floor(i / side), i % side, v]));
  }
  function liveHead(box, head, first2) {
    const image = el("input", { type: "text", id: "head-image", size: 32, autocomplete: "off" });
    const typed = el("input", { type: "text", id: "head-classes", placeholder: "dog, cat, boat", autocomplete: "off" });
    const chosen = classChoice(() => ask2(), "head-class");
    const result = el("div", { "aria-live": "polite" });
    const ask2 = async () => {
      const number = image.value.trim() ? imageNumber(image.value.trim()) : first2;
      if (number < 0) {
        replace(result, note(`${image.value.trim()}: no image of this collection has this name.`));
        return;
      }
      await waiting2(result, get(`image/${number}`, { classes: typed.value.trim(), class: chosen.value(), heads: head, list: 0, off: ofHeads() ? "" : switchedOff().join(",") }), (a) => {
        chosen.offer(a.classes);
        return one(a, number);
      });
    };
    const form2 = el("form", { class: "search-form", on: { submit: (e) => {
      e.preventDefault();
      chosen.forget(typed.value.trim());
      ask2();
    } } }, el("label", {}, "Image ", image), el("label", { class: "wide" }, "with classes of your own, commas between ", typed), el("button", { type: "submit" }, "Ask"), chosen.label);
    const holder = el("div", {});
    box.append(section("What it adds to a class", { class: "live", what: "head_map" }, holder));
    Promise.all([images(), parts()]).then(([, p]) => {
      image.placeholder = state.images.names[first2] ?? "";
      if (p.classes?.length) typed.placeholder = p.classes.slice(0, 4).join(", ");
    }).catch(() => {
    });
    const content2 = el("div", {}, form2, result);
    need(holder, "image", () => {
      queueMicrotask(() => whileShown(content2, async () => {
        const p = await parts();
        if (p.classes?.length || typed.value.trim()) ask2();
        else replace(result, note("Type classes to see what this head adds to them."));
      }));
      return content2;
    });
  }
  function one(a, image) {
    const [m] = a.explanation.head_maps.maps;
    const most = Math.max(...m.places.map(Math.abs)) || 1;
    const square = face(image, `what each place of ${a.name} adds through ${m.head}`, true);
    const [where, elsewhere] = nowhere(m);
    const part2 = evenSigned([m.part], 4);
    return el(
      "div",
      { class: "columns two" },
      figure(
        "",
        { name: `head-${m.head}-${image}`, columns: ["head", "part", "share", where, "row", "column", "place"], rows: () => rows([m], a.places.side) },
        el("div", { class: "image-box" }, mapped(square, m, a.places.side, most), legend(el, true, [signed(-most), `${signed(most)} of the logit`]))
      ),
      el(
        "div",
        {},
        el("p", {}, `Of the logit of “${a.target}”, ${format(a.logit)}, on ${a.name}:`),
        facts([
          [`${m.head} adds`, el("b", { class: "head-part" }, part2(m.part)), "logit"],
          ["share of the logit", m.share === null ? "–" : percent(m.share)],
          ["at the places", part2(m.part - elsewhere)],
          [`${where}, at no place`, part2(elsewhere)]
        ])
      )
    );
  }
  function classChoice(ask2, id2) {
    const select = el("select", { id: id2, on: { change: ask2 } });
    const label = el("label", { hidden: true }, "Class to explain ", select);
    let asked = "";
    const option = (value, text) => el("option", { value }, text);
    replace(select, option("", "of the largest logit"));
    return {
      label,
      value: () => select.value,
      // forget goes back to the first class where other classes were typed.
      forget(classes2) {
        if (classes2 !== asked) replace(select, option("", "of the largest logit"));
        asked = classes2;
      },
      offer(classes2) {
        const now = select.value;
        replace(select, option("", "of the largest logit"), classes2.map((c) => option(c.class, c.class)));
        select.value = classes2.some((c) => c.class === now) ? now : "";
        label.hidden = false;
      }
    };
  }

  // web/src/live/image.mjs
  var HEADS = 12;
  function liveImage(box, image, r, ix) {
    const classes2 = el("input", { type: "text", id: "typed-classes", placeholder: "dog, cat, boat", autocomplete: "off" });
    const result = el("div", { "aria-live": "polite" });
    const segmented = el("div", { "aria-live": "polite" });
    const chosen = classChoice(() => ask2(true), "explained-class");
    const ask2 = (asked) => {
      const off2 = switchedOff();
      const typed = classes2.value.trim();
      if (!typed && off2.length === 0 && !asked) {
        replace(result, note("Type classes, or ask without any for those of the collection; switch pairs off on their pages to see what changes."));
        return;
      }
      waiting2(result, get(`image/${image}`, { classes: typed, class: chosen.value(), off: off2.join(","), maps: HEADS }), (a) => {
        chosen.offer(a.classes);
        return [explained(ix, image, a), headMaps(a, image, (text) => face(image, text))];
      });
    };
    const content2 = el("div", {}, el(
      "form",
      { class: "search-form", on: { submit: (e) => {
        e.preventDefault();
        chosen.forget(classes2.value.trim());
        ask2(true);
      } } },
      el("label", { class: "wide" }, "Classes of your own, with commas between ", classes2),
      el("button", { type: "submit" }, "Ask"),
      button("Segment by these", () => segment()),
      chosen.label
    ), result, segmented);
    const segment = () => need(segmented, "segment", () => {
      const inner = el("div", {}, "…");
      waiting2(inner, post("segment", { classes: classes2.value.trim(), image }), (a) => segmentation(a, face(image, "the image", true)));
      return inner;
    });
    const holder = el("div", {});
    box.append(section("Ask about it", { class: "live" }, holder));
    need(holder, "image", () => {
      queueMicrotask(() => whileShown(content2, () => ask2(false)));
      return content2;
    });
    parts().then((p) => {
      if (p.classes?.length && !classes2.value) classes2.placeholder = p.classes.slice(0, 4).join(", ");
    }).catch(() => {
    });
  }
  function explained(ix, name, a) {
    return explainedBy(name, a, a.for && a.classes[0] ? waterfall(ix, a, `asked-logit-${name}`, `What each pair adds to the logit of “${a.target || a.classes[0].class}”.`) : null);
  }
  function explainedBy(name, a, sum) {
    const top = a.classes[0];
    const off2 = top?.before !== void 0;
    const rows2 = a.classes.map((c) => [c.class, c.logit, c.probability, ...off2 ? [c.before_logit, c.before] : []]);
    const logit = even(rows2.slice(0, 10).flatMap((r) => [r[1], r[3]]), 4);
    const map = a.places ? placesMap(a.places) : null;
    return el("div", { class: "columns two" }, el(
      "div",
      {},
      figure(
        "",
        { name: `asked-${name}`, columns: ["class", "logit", "probability", ...off2 ? ["logit before", "probability before"] : []], rows: rows2 },
        table(["class", ...off2 ? ["logit before"] : [], "logit", ...off2 ? ["probability before"] : [], "probability"], rows2.slice(0, 10).map(([name2, now, probability, logitBefore, before]) => [
          name2,
          ...off2 ? [{ n: logit(logitBefore) }] : [],
          { n: logit(now) },
          ...off2 ? [{ n: percent(before) }] : [],
          { n: percent(probability) }
        ]), { label: "classes" })
      ),
      map
    ), el(
      "div",
      {},
      sum,
      editLine(a)
    ));
  }
  function placesMap(places, most = Math.max(...places.parts.map(Math.abs)) || 1) {
    const canvas = el("canvas", { class: "square-map", role: "img", "aria-label": "map of places: what each adds to the logit" });
    paintMap(canvas, places.side, places.parts.map((v) => v / most), true);
    return el("div", {}, canvas, legend(el, true, [signed(-most), `${signed(most)} of the logit`]));
  }

  // web/src/live/drop.mjs
  function dropBox(box, unit, r) {
    const result = el("div", { "aria-live": "polite" });
    const file = el("input", { type: "file", accept: "image/*", id: "drop-file", class: "visually-hidden", on: { change: () => file.files[0] && send(file.files[0]) } });
    const zone = el(
      "div",
      { class: "drop" },
      "Drop an image here, or ",
      el("label", { for: "drop-file", class: "button" }, "choose one"),
      file,
      el("p", { class: "quiet" }, "It is examined on this machine and not kept.")
    );
    const send = (image) => waiting2(result, Promise.all([post("drop", { unit }, image), index()]), ([a, ix]) => answer2(unit, r, a, ix, image));
    zone.addEventListener("dragover", (e) => {
      e.preventDefault();
      zone.classList.add("over");
    });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (e) => {
      e.preventDefault();
      zone.classList.remove("over");
      if (e.dataTransfer.files[0]) send(e.dataTransfer.files[0]);
    });
    const holder = el("div", {});
    box.append(section("An image of yours", { class: "live" }, holder));
    need(holder, "drop", () => [zone, result]);
  }
  function answer2(unit, r, a, ix, image) {
    const preview2 = el("canvas", { class: "square-map", role: "img", "aria-label": `the image ${image.name}` });
    createImageBitmap(image).then((bitmap) => {
      const side = Math.min(bitmap.width, bitmap.height);
      preview2.width = 224;
      preview2.height = 224;
      preview2.getContext("2d").drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, 224, 224);
    }, () => replace(preview2));
    return [
      el("div", { class: "columns two" }, preview2, el("div", {}, a.unit ? [
        facts([["score", format(a.unit.score), "score"], ["rank", `${a.unit.rank.toLocaleString("en")} of ${a.unit.of.toLocaleString("en")} images`]]),
        r.histogram ? histogram(`dropped-${unit}`, r.histogram, { x: "score", caption: "Where it lies among the images of the collection.", marks: [{ at: a.unit.score, text: "this image" }] }) : null
      ] : null)),
      a.classes ? explained(ix, "dropped", a) : null
    ];
  }

  // web/src/live/chosen.mjs
  function chosenImage(units, ask2) {
    const image = el("input", { type: "text", id: "toggle-image", size: 32, autocomplete: "off" });
    const typed = el("input", { type: "text", id: "toggle-classes", placeholder: "dog, cat, boat", autocomplete: "off" });
    const form2 = el("form", { class: "search-form", hidden: true, on: { submit: (e) => {
      e.preventDefault();
      ask2();
    } } }, el("label", {}, "Look at image ", image), el("label", { class: "wide" }, "with classes of your own, commas between ", typed), el("button", { type: "submit" }, "Ask"));
    return {
      form: form2,
      // question returns {image, classes} of a request, or {image: null, missing} and why.
      question(off2, parts2) {
        const classes2 = texts(typed.value);
        if (parts2.classes?.length) typed.placeholder = parts2.classes.slice(0, 4).join(", ");
        const name = image.value.trim();
        const number = name ? imageNumber(name) : units.image(off2[0]) ?? 0;
        if (number < 0) return { image: null, classes: null, missing: `${name}: no image of this collection has this name` };
        if (classes2.length && !parts2.text?.on) return { image: null, classes: null, missing: `classes of one's own: ${parts2.text?.reason || "the explorer embeds no texts"}` };
        if (!classes2.length && !parts2.classes?.length) {
          return { image: null, classes: null, missing: parts2.text?.on ? "type classes to see what changes for an image" : `classes: give {imagenet-zeroshot-path}, or to type some: ${parts2.text?.reason || "the explorer embeds no texts"}` };
        }
        image.placeholder = state.images.names[number];
        return { image: number, classes: classes2.length ? classes2 : null };
      },
      answer(a, asked) {
        return section("One image", { class: "one-image", what: "logit" }, asked.missing ? note(`Not shown: ${asked.missing}.`) : !a.image ? note(`Not shown: ${a.accuracy_reason}.`) : moved(a.image));
      }
    };
  }
  function texts(line) {
    return [...line.matchAll(/\s*(?:"([^"]*)"|([^,]+))\s*(?:,|$)/g)].map((m) => (m[1] ?? m[2]).trim()).filter(Boolean);
  }
  function moved(x) {
    const was = new Map(x.before.classes.map((c) => [c.name, c]));
    const first2 = new Set([...x.before.classes.slice(0, 5), ...x.after.classes.slice(0, 5)].map((c) => c.name));
    const rows2 = x.after.classes.map((c) => [c.name, was.get(c.name).logit, c.logit, was.get(c.name).probability, c.probability]);
    const logit = even(rows2.filter((r) => first2.has(r[0])).flatMap((r) => [r[1], r[2]]), 4);
    const maps = x.before.places && x.after.places ? [x.before.places, x.after.places] : [];
    const most = Math.max(...maps.flatMap((m) => m.parts.map(Math.abs)), 0) || 1;
    const square = face(x.image, x.name, maps.length === 0);
    return el(
      "div",
      {},
      el(
        "div",
        { class: maps.length ? "columns three" : null },
        square,
        maps.map((m, i) => el("div", {}, el("p", { class: "quiet" }, i ? "after" : "before", `: what each place adds to the logit of “${x.class}”`, what("places")), placesMap({ side: m.rows, parts: m.parts }, most)))
      ),
      el("p", { class: "quiet" }, x.name),
      maps.length || ofHeads() ? null : note("The map of places needs the model and the images."),
      figure(
        "The first classes before and after.",
        { name: `toggled-${x.image}`, columns: ["class", "logit before", "logit", "probability before", "probability"], rows: rows2 },
        table(["class", "logit before", "logit", "probability before", "probability"], rows2.filter((r) => first2.has(r[0])).map(([name, before, after, p0, p1]) => [name, { n: logit(before) }, { n: logit(after) }, { n: percent(p0) }, { n: percent(p1) }]), { label: "classes of the image" })
      )
    );
  }

  // web/src/heads/heads.mjs
  var once3 = null;
  function heads() {
    once3 ||= load("heads").then((file) => file.heads.map((h, head) => ({ ...h, head, lower: h.texts.map((t) => t.toLowerCase()) })));
    return once3;
  }
  function headAddress(name) {
    return address(["h", name]);
  }
  function valuesOf(h) {
    const values = [["mean norm", format(h.norm, 3)]];
    if (h.share !== null) values.push(["share", percent(h.share)]);
    if (h.explained !== null) values.push(["explained", percent(h.explained)]);
    return values;
  }
  var SHOWN = 3;
  function headCard(h) {
    return cardOf(h, valuesOf(h));
  }
  function cardOf(h, values) {
    const texts3 = h.texts.slice(0, SHOWN).join("; ");
    return el(
      "article",
      { class: "card", "data-unit": h.name, "aria-label": texts3 ? `${h.name}: ${texts3}` : h.name },
      el(
        "div",
        { class: "card-head" },
        el("a", { href: headAddress(h.name), class: "unit" }, h.name),
        el("span", { class: "card-values" }, values.map(([text, v]) => el("span", {}, `${text} `, el("b", {}, v))))
      ),
      el("div", { class: "card-words" }, texts3 || (part("texts").present ? el("span", { class: "quiet" }, "no texts") : null)),
      el("div", { class: "strip" }, h.images.slice(0, 4).map((image, i) => thumb(image, { labels: false, what: `image ${i + 1} of ${h.name}` })))
    );
  }
  var ranked = (h) => h.along ? "along its first text" : "by norm";

  // web/src/heads/off.mjs
  async function headUnits() {
    const all2 = await heads();
    const of2 = (name) => all2.find((h) => h.name === name);
    return {
      noun: "head",
      is: (name) => Boolean(of2(name)),
      page: headAddress,
      words: (name) => el("span", { class: "words" }, of2(name).texts.slice(0, 3).join("; ")),
      image: (name) => of2(name).images[0]
    };
  }

  // web/src/live/toggle.mjs
  async function pairUnits() {
    const ix = await index();
    const pair = (unit) => parseUnit(unit).pair;
    return {
      noun: "pair",
      is: (text) => (parseUnit(text)?.pair ?? -1) >= 0,
      page: (unit) => address(["p", unit]),
      words: (unit) => wordsLine(wordsOf(ix, pair(unit)).slice(0, 3)),
      image: (unit) => imagesOf(ix, pair(unit))[0]
    };
  }
  function offButton(unit) {
    const node = button("", () => flip(unit), { class: "small off" });
    document.addEventListener("clipnh-off", function follow() {
      if (!node.isConnected) document.removeEventListener("clipnh-off", follow);
      else draw2();
    });
    const draw2 = () => {
      node.textContent = isOff(unit) ? "switched off" : "switch off";
      node.setAttribute("aria-pressed", String(isOff(unit)));
      node.setAttribute("aria-label", isOff(unit) ? `switched off: ${unit}` : `switch off ${unit}`);
    };
    draw2();
    return node;
  }
  async function togglePage({ query: query2 }) {
    if (!state.live) throw new Error(`${ofHeads() ? "Heads" : "Pairs"} can be switched off in the explorer only: clipnh explore REPORT`);
    const [units] = await Promise.all([ofHeads() ? headUnits() : pairUnits(), images()]);
    for (const unit of (query2.get("off") || "").split(",").filter(Boolean)) if (!isOff(unit)) flip(unit);
    const box = el("div", {});
    need(box, "toggle", () => controls(units));
    const many = `${units.noun}s`;
    const heading = `${many[0].toUpperCase()}${many.slice(1)} switched off`;
    return {
      title: heading,
      heading,
      nodes: [el("p", { class: "lead-line" }, `What the model gets right without some ${many}, and what it then says of an image`, what("ablation", "."), ` Switch ${many} off on their pages, or name them here.`), box]
    };
  }
  function controls(units) {
    const holder = el("div", {});
    const result = el("div", { "aria-live": "polite" });
    const by = el("select", { on: { change: () => ask2() } }, el("option", { value: "mean" }, "their mean"), el("option", { value: "zero" }, "zero"));
    const input = el("input", { type: "text", placeholder: example(), size: 12, autocomplete: "off" });
    const error = el("span", { role: "alert" });
    const form2 = el("form", { class: "search-form", on: { submit: (e) => {
      e.preventDefault();
      const unit = input.value.trim().toLowerCase();
      const known = units.is(unit);
      error.textContent = known ? "" : `${input.value}: not a ${units.noun} of this model`;
      if (known && !isOff(unit)) flip(unit);
      input.value = "";
    } } }, el("label", {}, "Switch off ", input), el("button", { type: "submit" }, "Add"), el("label", {}, "and replace them by ", by), error);
    const ask2 = () => {
      const off2 = switchedOff();
      one2.form.hidden = off2.length === 0;
      if (off2.length === 0) {
        replace(result, note(`No ${units.noun} is switched off.`));
        return;
      }
      waiting2(result, parts().then(async (p) => {
        const asked = one2.question(off2, p);
        const a = await post("toggle", {}, { off: off2, by: by.value, image: asked.image, classes: asked.classes });
        return [a, p, asked];
      }), ([a, p, asked]) => [collection(a, p.classes), one2.answer(a, asked), editLine(a)]);
    };
    const one2 = chosenImage(units, () => ask2());
    const box = el("div", {}, form2, holder, one2.form, result);
    whileShownLater(box, () => {
      const off2 = switchedOff();
      replace(holder, off2.length ? [
        el("ul", { class: "list" }, off2.map((u) => el(
          "li",
          { "data-unit": u },
          el("a", { class: "unit", href: units.page(u) }, u),
          units.words(u),
          button("switch on", () => flip(u), { class: "small", "aria-label": `switch on ${u}` })
        ))),
        off2.length > 1 ? button("Switch all on", clear) : null
      ] : null);
      ask2();
    });
    return box;
  }
  function whileShownLater(box, draw2) {
    queueMicrotask(() => whileShown(box, draw2));
  }
  function collection(a, classes2) {
    const { groups } = state.overview.data;
    const rows2 = (names, before, after) => names.map((n, i) => [n, before[i], after[i], after[i] - before[i]]);
    const changed2 = (r) => r.filter((x) => x[3] !== 0).sort((x, y) => Math.abs(y[3]) - Math.abs(x[3]));
    const points2 = (r) => evenSigned(changed2(r).slice(0, 20).map((x) => 100 * x[3]));
    const show2 = (title, r, write2 = points2(r)) => figure(
      `Accuracy by ${title}, where it changes most.`,
      { name: `accuracy-by-${title}`, columns: ["name", "before", "after", "change"], rows: r },
      changed2(r).length === 0 ? note(`The accuracy of no ${title} changes.`) : table([title, "before", "after", "change, points"], changed2(r).slice(0, 20).map(([n, b, c, d]) => [n, { n: percent(b) }, { n: percent(c) }, { n: write2(100 * d) }]), { label: `accuracy by ${title}` })
    );
    return [
      a.before ? facts([
        ["accuracy before", percent(a.before.all, 2), "accuracy"],
        ["after", el("b", { class: "accuracy-after" }, percent(a.after.all, 2))],
        a.after.worst_group ? ["worst group after", `${a.after.worst_group.name} ${percent(a.after.worst_group.accuracy)}`] : null
      ]) : note(`The accuracy over all images is not known: ${a.accuracy_reason || "the explorer does not say why"}.`),
      a.before?.by_class ? show2("class", rows2(classes2, a.before.by_class, a.after.by_class)) : null,
      a.before?.by_group?.length ? show2("group", rows2(groups, a.before.by_group, a.after.by_group)) : null
    ];
  }

  // web/src/pages/pair.mjs
  async function pairPage({ rest: rest2 }) {
    const unit = parseUnit(rest2);
    if (!unit || unit.pair < 0) throw new Error(`${rest2}: not a pair of this model; want a name such as ${unitName(0)}`);
    const { head, neuron, pair } = unit;
    const [source] = await Promise.all([neuronFile(neuron), images()]);
    const r = pairRecord(source, head);
    const name = unitName(pair);
    const words2 = wordsText(r.words.slice(0, 3));
    const drop = el("div", {});
    if (state.live && !r.zero) dropBox(drop, name, r);
    return {
      title: `${name}: ${words2}`,
      unit: name,
      heading: [el("span", { class: "unit-name" }, name), pinButton(name), compareButton(name), state.live ? offButton(name) : null],
      lead: r.words.length ? wordsLine(r.words.slice(0, 4)) : null,
      nodes: [
        facts([
          ["mean norm", withDeviation(r.normMean, r.normSD), "norm"],
          ["largest norm", format(r.normLargest)],
          ["description score", format(r.spearman, 3), "spearman"],
          ["polysemanticity", format(r.polysemanticity, 3), "polysemanticity"],
          ["direction's length", format(r.square === null ? null : Math.sqrt(r.square)), "direction"],
          ["neuron", neuronLink(neuron)],
          ["head", headLink(head)]
        ]),
        el("nav", { class: "siblings", "aria-label": "the same neuron in other heads" }, siblings(source.ix, head, neuron)),
        ...r.zero ? [zeroWeights()] : of(source, r, head, neuron, name, drop)
      ],
      move: (by) => step(pair, by)
    };
  }
  function of(source, r, head, neuron, name, drop) {
    return [
      el(
        "div",
        { class: "columns images-two" },
        strongest(source, r, head, neuron, name),
        section(
          "Ordinary images",
          { what: "quantiles" },
          [...r.quantiles].reverse().map((q) => el(
            "div",
            { class: "quantile" },
            el("h3", {}, `${Math.round(100 * q.share)} %`),
            wall(q.items, `${name} at ${Math.round(100 * q.share)} % of its ranking`, { small: true })
          )),
          el("div", { class: "quantile" }, el("h3", {}, "weakest"), wall(r.weakest, `weakest images of ${name}`, { small: true }))
        )
      ),
      el(
        "div",
        { class: "columns two" },
        described(r, name),
        section(
          "Its scores",
          { what: "score" },
          r.histogram ? histogram(`scores-${name}`, r.histogram, {
            x: "score",
            caption: `Scores of ${state.overview.data.images.toLocaleString("en")} images; mean ${format(r.scoreMean, 3)}, standard deviation ${format(r.scoreSD, 3)}.`,
            marks: r.strongest.length ? [{ at: r.strongest[0].value, text: "strongest image" }] : []
          }) : note("not known")
        )
      ),
      drop,
      el(
        "div",
        { class: "columns two" },
        neighbours(source.ix, "Neighbours by direction", "direction_neighbours", r.byDirection, "cosine", name),
        neighbours(source.ix, "Neighbours by scores", "score_neighbours", r.byScores, "correlation", name)
      ),
      classes(r, name)
    ];
  }
  function step(pair, by) {
    const found = state.results;
    const { heads: heads2, neurons } = state.overview.model;
    const at = found ? found.indexOf(pair) : -1;
    const next = at >= 0 ? found[at + by] : pair + by;
    if (next !== void 0 && next >= 0 && next < heads2 * neurons) location.hash = address(["p", unitName(next)]);
  }
  function siblings(ix, head, neuron) {
    const { heads: heads2, neurons } = state.overview.model;
    const all2 = Array.from({ length: heads2 }, (_, h) => h).sort((a, b) => ix.pairs.norm[b * neurons + neuron] - ix.pairs.norm[a * neurons + neuron]);
    return [
      el("span", { class: "quiet" }, `${neuronName(neuron)} in `),
      all2.slice(0, 16).map((h) => h === head ? el("a", { "aria-current": "page", href: address(["p", unitName(h * neurons + neuron)]) }, headName(h)) : el("a", { href: address(["p", unitName(h * neurons + neuron)]), title: wordsText(wordsOf(ix, h * neurons + neuron)) }, headName(h))),
      el("a", { href: address(["n", neuron]) }, heads2 > 16 ? `all ${heads2} heads` : "side by side")
    ];
  }
  function strongest(source, r, head, neuron, name) {
    const holder = el("div", {});
    const note2 = el("div", {});
    const activation = neuronRecord(source).maps;
    const views = [["image", "images"]];
    if (activation.size) views.push(["activation", "activation"], ["attention", "attention"], ["product", "activation × attention"]);
    const show2 = async (view) => {
      tools.querySelectorAll("button[data-view]").forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.view === view)));
      let maps = null;
      if (view === "activation") maps = activation;
      if (view === "attention" || view === "product") {
        const attention = decodeMaps((await load(`h/${head}`)).maps);
        maps = view === "attention" ? attention : product(activation, attention);
      }
      replace(
        note2,
        maps ? legend(el, false, ["0", `largest of the image · ${views.find(([v]) => v === view)[1]}`]) : null,
        maps && !r.strongest.some((x) => maps.has(x.image)) ? el("p", { class: "quiet" }, "There are no such maps of these images.") : null
      );
      replace(holder, wall(r.strongest.map((x) => ({
        ...x,
        mark: x.adds ? "new" : null,
        map: maps?.get(x.image) || null
      })), `strongest images of ${name} (${wordsText(r.words.slice(0, 2))})`));
    };
    const tools = el("div", { class: "tools" }, views.length > 1 ? [
      el("span", { class: "segmented", role: "group", "aria-label": "what to show over images" }, views.map(([view, text]) => button(text, () => show2(view), { "data-view": view, "aria-pressed": String(view === "image") }))),
      what("activation"),
      what("attention"),
      what("product")
    ] : null);
    show2("image");
    return section("Its strongest images", {}, el(
      "p",
      { class: "quiet" },
      "Below each: its score",
      what("score", "."),
      r.strongest.some((x) => x.adds) ? [" Marked “new”: images that are not among the neuron's strongest", what("adds", ".")] : ""
    ), tools, note2, figure("", {
      name: `images-${name}`,
      columns: ["kind", "image", "score", "new"],
      rows: [["strongest", r.strongest], ...r.quantiles.map((q) => [`${100 * q.share} %`, q.items]), ["weakest", r.weakest]].flatMap(([kind, items]) => items.map((x) => [kind, state.images.names[x.image], x.value, x.adds ?? ""]))
    }, holder));
  }
  function product(a, b) {
    const out = /* @__PURE__ */ new Map();
    for (const [image, map] of a) {
      const other = b.get(image);
      if (!other || other.side !== map.side) continue;
      const values = map.values.map((v, i) => v * other.values[i]);
      const most = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0) || 1;
      out.set(image, { side: map.side, values: values.map((v) => v / most) });
    }
    return out;
  }
  function described(r, name) {
    if (r.words.length === 0) return section("In words", { what: "words" }, note("The report was made without words for components."));
    return section(
      "In words",
      { what: "words" },
      bars(
        `words-${name}`,
        r.words.map((w) => ({ text: w.coefficient < 0 ? `not ${w.text}` : w.text, name: w.text, value: w.coefficient, href: address(["t"], { q: w.text }) })),
        { caption: ["Coefficients of words; together they make the direction. ", wordsFrom()], columns: ["word", "coefficient"], label: `words of ${name} with coefficients` }
      ),
      facts([
        ["left unexplained", format(r.residual, 3), "residual"],
        ["description score", format(r.spearman, 3), "spearman"],
        ["AUC", format(r.auc, 3), "auc"],
        r.firstSpearman !== null ? ["first word alone", `${format(r.firstSpearman, 3)}, AUC ${format(r.firstAUC, 3)}`, "floor"] : null
      ])
    );
  }
  function neighbours(ix, heading, term, near2, unit, name) {
    if (near2.length === 0) return null;
    const write2 = even(near2.map((x) => x.value));
    return section(heading, { what: term }, figure(
      "",
      { name: `${unit}-${name}`, columns: ["unit", unit], rows: near2.map((x) => [unitName(x.pair), x.value]) },
      el("ul", { class: "near" }, near2.map((x) => el(
        "li",
        {},
        el("span", { class: "near-name" }, pairLink(x.pair), el("span", { class: "value" }, write2(x.value))),
        el("span", { class: "near-words" }, wordsLine(wordsOf(ix, x.pair).slice(0, 3), false)),
        el("span", { class: "strip tiny" }, imagesOf(ix, x.pair).map((image) => thumb(image, { labels: false, what: `image of ${unitName(x.pair)}` }))),
        el("a", { class: "small", href: address(["c"], { a: name, b: unitName(x.pair) }), "aria-label": `compare ${name} with ${unitName(x.pair)}` }, "compare")
      )))
    ));
  }
  function classes(r, name) {
    const { labels, classes: names } = state.overview.data;
    if (r.highest.length === 0 && r.effects.length === 0) return null;
    return el(
      "div",
      { class: "columns two" },
      r.highest.length ? section(
        "Mean score by label",
        {},
        bars(
          `labels-${name}`,
          [...r.highest, ...[...r.lowest].reverse().filter((x) => !r.highest.some((y) => y.label === x.label))].map((x) => ({ text: labels[x.label], value: x.value })),
          { caption: "The labels of the highest and of the lowest mean score.", columns: ["label", "mean score"], label: `mean scores of ${name} by label` }
        )
      ) : null,
      r.effects.length ? section(
        "Without this pair",
        { what: "ablation" },
        bars(
          `effect-${name}`,
          r.effects.map((x) => ({ text: names[x.label] ?? labels[x.label], value: x.value })),
          { caption: ["Change of the class's mean logit", what("logit"), " when the pair is ablated."], columns: ["class", "change of mean logit"], label: `effect of ablating ${name} on classes` }
        ),
        note(r.effects.every((x) => !x.accuracy) ? "The accuracy of these classes stays the same." : ["Change of accuracy: ", r.effects.map((x, i) => [i ? ", " : "", `${names[x.label] ?? labels[x.label]} ${signed(100 * x.accuracy, 2)} points`]), "."])
      ) : null
    );
  }

  // web/src/pages/neuron.mjs
  async function neuronPage({ rest: rest2 }) {
    const unit = parseUnit(/^\d+$/.test(rest2) ? `n${rest2}` : rest2);
    if (!unit || unit.neuron < 0) throw new Error(`${rest2}: not a neuron of this model, which has ${state.overview.model.neurons}`);
    const { neuron } = unit;
    const [source] = await Promise.all([neuronFile(neuron), images()]);
    const r = neuronRecord(source);
    const { heads: heads2, neurons } = state.overview.model;
    const name = neuronName(neuron);
    const rows2 = Array.from({ length: heads2 }, (_, head) => ({ head, r: pairRecord(source, head) })).sort((a, b) => b.r.normMean - a.r.normMean);
    const strong = rows2.filter((x, i) => i < 12);
    const norm = even(rows2.map((x) => x.r.normMean));
    return {
      title: `${name}: ${wordsText(r.words.slice(0, 3))}`,
      unit: name,
      heading: [el("span", { class: "unit-name" }, name), pinButton(name)],
      lead: r.words.length ? wordsLine(r.words.slice(0, 4)) : null,
      nodes: [
        facts([
          ["mean norm", withDeviation(r.norm.mean, r.norm.deviation), "norm"],
          ["largest norm", format(r.norm.largest)],
          ["polysemanticity", format(r.polysemanticity, 3), "polysemanticity"]
        ]),
        section(
          "The neuron's strongest images",
          { what: "neuron" },
          el("p", { class: "quiet" }, "By the norm of what all heads together add", what("norm", ".")),
          figure(
            "",
            { name: `images-${name}`, columns: ["image", "norm"], rows: r.strongest.map((x) => [state.images.names[x.image], x.value]) },
            wall(r.strongest, `strongest images of ${name}`, { twelve: true })
          )
        ),
        section(
          "As each head reads it",
          { what: "pair" },
          el("p", { class: "quiet" }, "Heads by mean norm, the strongest first. Marked “new”: images that the neuron's own row lacks.", what("adds")),
          strong.map(({ head, r: p }) => el(
            "div",
            { class: "head-row", "data-unit": unitName(head * neurons + neuron) },
            el(
              "div",
              { class: "head-row-name" },
              el("a", { class: "unit", href: address(["p", unitName(head * neurons + neuron)]) }, unitName(head * neurons + neuron)),
              el("div", {}, wordsLine(p.words.slice(0, 3))),
              el("div", { class: "quiet" }, `mean norm ${norm(p.normMean)}`)
            ),
            p.zero ? zeroWeights() : wall(p.strongest.map((x) => ({ ...x, mark: x.adds ? "new" : null })), `strongest images of ${unitName(head * neurons + neuron)}`, { labels: false, twelve: true })
          )),
          rows2.length > strong.length ? note("The other heads: ", rows2.slice(strong.length).map(({ head, r: p }) => [" ", el("a", { href: address(["p", unitName(head * neurons + neuron)]), title: `mean norm ${norm(p.normMean)}` }, headName(head)), p.zero ? " (weights of zero)" : ""]), ".") : null
        ),
        el(
          "div",
          { class: "columns two" },
          section(
            "Ordinary images",
            { what: "quantiles" },
            [...r.quantiles].reverse().map((q) => el(
              "div",
              { class: "quantile" },
              el("h3", {}, `${Math.round(100 * q.share)} %`),
              wall(q.items, `${name} at ${Math.round(100 * q.share)} %`, { small: true, labels: false })
            )),
            el("div", { class: "quantile" }, el("h3", {}, "weakest"), wall(r.weakest, `weakest images of ${name}`, { small: true, labels: false }))
          ),
          section("Its norms", { what: "norm" }, histogram(`norms-${name}`, r.histogram, { x: "norm", caption: "Norms of what the neuron adds to each image." }))
        )
      ],
      move: (by) => {
        const next = neuron + by;
        if (next >= 0 && next < neurons) location.hash = address(["n", next]);
      }
    };
  }

  // web/src/pages/head.mjs
  async function headPage({ rest: rest2 }) {
    if (rest2 === "") return headsPage();
    const unit = parseUnit(/^\d+$/.test(rest2) ? `h${rest2}` : rest2);
    const { heads: heads2 } = state.overview.model;
    const head = /^\d+$/.test(rest2) ? Number(rest2) : unit && unit.neuron < 0 ? unit.head : -1;
    if (head < 0 || head >= heads2) throw new Error(`${rest2}: not a head of this model, which has ${heads2}`);
    const [file, ix] = await Promise.all([load(`h/${head}`), index(), images()]);
    const name = headName(head);
    const side = Math.round(Math.sqrt(file.attention?.length || 0));
    const maps = decodeMaps(file.maps);
    const norm = even(file.strongest.map((u) => u.value));
    const live = el("div", {});
    if (state.live) liveHead(live, name, maps.keys().next().value ?? file.strongest[0]?.images?.[0] ?? 0);
    return {
      title: name,
      heading: [el("span", { class: "unit-name" }, name)],
      nodes: [
        el("p", { class: "lead-line" }, "A head", what("head"), form().head()),
        file.words?.length ? section(
          "What it is about",
          { what: "words" },
          bars(`words-${name}`, file.words.slice(0, 12).map((w) => ({ text: ix.words[w.word], value: w.norm, href: address(["s"], { q: ix.words[w.word], head }), title: `${ix.words[w.word]}: first word of ${w.pairs} pairs` })), {
            caption: "First words of its pairs, by the sum of the pairs' mean norms.",
            columns: ["word", "sum of mean norms"],
            label: `words of ${name}`
          })
        ) : null,
        side > 0 ? section(
          "Where it attends",
          { what: "attention" },
          el(
            "div",
            { class: "columns two" },
            figure(`Mean attention over ${side} × ${side} places of the images shown; the rest, ${percent(file.sink)}, goes to the ${wording().token}.`, {
              name: `attention-${name}`,
              columns: ["row", "column", "attention"],
              rows: Array.from(file.attention, (v, i) => [Math.floor(i / side), i % side, v])
            }, attentionMap(side, file.attention, name), legend(el, false, ["0", format(Math.max(...file.attention), 2)])),
            facts([[`attention to the ${wording().token}`, percent(file.sink), "sink"]])
          ),
          maps.size ? [el("h3", {}, "On images"), wall([...maps.keys()].slice(0, 12).map((image) => ({ image, map: maps.get(image) })), `attention of ${name}`, { labels: false })] : null
        ) : null,
        live,
        section("Its pairs", { what: "pair" }, pairMap(ix, { heads: [head] })),
        section(
          "Its strongest pairs",
          { what: "norm" },
          el("p", { class: "quiet" }, el("a", { href: address(["s"], { head, sort: "norm" }) }, "All its pairs in this order")),
          el("div", { class: "cards" }, file.strongest.map((u) => unitCard(u.pair, wordsOf(ix, u.pair), u.images?.length || u.zero ? u.images.slice(0, 4) : imagesOf(ix, u.pair), [["mean norm", norm(u.value)], ...u.zero ? [["weights", "zero"]] : []])))
        )
      ],
      move: (by) => {
        if (head + by >= 0 && head + by < heads2) location.hash = address(["h", head + by]);
      }
    };
  }
  function attentionMap(side, values, name) {
    const most = Math.max(...values) || 1;
    const canvas = el("canvas", { class: "square-map", role: "img", "aria-label": `mean attention of ${name} over ${side} by ${side} places; the strongest has ${format(most, 3)}` });
    paintMap(canvas, side, values.map((v) => v / most), false);
    return canvas;
  }
  async function headsPage() {
    const ix = await index();
    const { heads: heads2, neurons } = state.overview.model;
    const rows2 = Array.from({ length: heads2 }, (_, h) => {
      let sum = 0;
      let best = h * neurons;
      for (let p = h * neurons; p < (h + 1) * neurons; p++) {
        sum += ix.pairs.norm[p];
        if (ix.pairs.norm[p] > ix.pairs.norm[best]) best = p;
      }
      return { h, mean: sum / neurons, best };
    });
    const norm = even(rows2.map((r) => r.mean));
    return {
      title: "Heads",
      heading: "Heads",
      nodes: [
        el("p", { class: "lead-line" }, "Each head", what("head"), form().heads()),
        el("ul", { class: "list" }, rows2.map(({ h, mean, best }) => el(
          "li",
          { "data-unit": headName(h) },
          el("a", { class: "unit", href: address(["h", h]) }, headName(h)),
          el("span", {}, `mean norm of its pairs ${norm(mean)}`),
          el("span", {}, "strongest: ", el("a", { class: "unit", href: address(["p", unitName(best)]) }, unitName(best)), " ", wordsLine(wordsOf(ix, best).slice(0, 3)))
        ))),
        note("The map on the ", el("a", { href: "#/" }, "first page"), " shows all of them side by side.")
      ]
    };
  }

  // web/src/record.mjs
  async function imageRecord(image) {
    const shard = await load(`i/${Math.floor(image / state.overview.shards.images)}`);
    const i = image - shard.first;
    const totals = numbers(shard.totals);
    const count2 = totals.length / 5;
    const [logit, constant, rest2, sum, norm] = totals.subarray(5 * i, 5 * i + 5);
    const list2 = (items, values, make) => {
      const all2 = indices(items);
      const each2 = all2.length / count2;
      const columns2 = values.map(numbers);
      const out = [];
      for (let k = i * each2; k < (i + 1) * each2; k++) if (all2[k] >= 0) out.push(make(all2[k], ...columns2.map((c) => c[k])));
      return out;
    };
    const parts2 = (p) => list2(p.pairs, [p.parts, p.scores], (pair, part2, score) => ({ pair, part: part2, score }));
    const maps = shard.maps.find((m) => m.image === image);
    return {
      classes: list2(shard.classes, [shard.logits, shard.probabilities], (c, l, probability) => ({ class: c, logit: l, probability })),
      logit,
      constant,
      rest: rest2,
      sum,
      feature_norm: norm,
      for: parts2(shard.for),
      against: parts2(shard.against),
      nearest: list2(shard.nearest, [shard.cosines], (other, cosine) => ({ image: other, cosine })),
      strongest: list2(shard.strongest, [shard.scores, shard.deviations], (pair, score, deviations) => ({ pair, score, deviations })),
      places: maps?.places ?? null,
      attention: maps?.attention ?? null
    };
  }

  // web/src/shown.mjs
  async function imageShown(rest2) {
    await images();
    const image = imageNumber(rest2);
    if (image < 0) throw new Error(`${rest2}: no image of this collection has this name`);
    const name = state.images.names[image];
    const square = face(image, [name, imageLabel(image)].filter(Boolean).join(", "), true);
    const changed2 = el("div", {});
    const said = () => replace(changed2, el("p", { class: "note changed", role: "note" }, "This image changed since its scores were collected: it is drawn as it is now, and all numbers are those of the earlier one."));
    if (state.changed.has(image)) said();
    square.addEventListener("clipnh-drawn-changed", said);
    return {
      image,
      name,
      square,
      changed: changed2,
      label: imageLabel(image) ? ["label", imageLabel(image)] : null,
      group: imageGroup(image) ? ["group", imageGroup(image)] : null,
      move: (by) => {
        const next = state.images.names[image + by];
        if (next !== void 0) location.hash = address(["i", next]);
      }
    };
  }

  // web/src/pages/images.mjs
  var STEP = 120;
  async function imagesPage({ query: query2 }) {
    const [im, how] = await Promise.all([images(), howToDraw().catch(() => null)]);
    const drawn = state.live && (await parts().catch(() => ({}))).thumbs?.on;
    const shown = drawn ? [...im.names.keys()] : [...state.places.keys()];
    const input = el("input", { type: "search", value: query2.get("q") || "", placeholder: "part of a name or label", autocomplete: "off" });
    const status = el("p", { role: "status", "aria-live": "polite", class: "result-count" });
    const holder = el("div", {});
    let limit = STEP;
    const run = () => {
      const q = input.value.trim().toLowerCase();
      const found = shown.filter((i) => !q || im.names[i].toLowerCase().includes(q) || imageLabel(i).toLowerCase().includes(q));
      replace(status, `${found.length.toLocaleString("en")} of ${shown.length.toLocaleString("en")} images${drawn ? "" : " with a thumbnail"}`);
      replace(
        holder,
        wall(found.slice(0, limit).map((image) => ({ image })), "images", { named: true }),
        found.length > limit ? button(`Show ${Math.min(STEP, found.length - limit)} more`, () => {
          limit += STEP;
          run();
        }) : null
      );
      setQuery({ q: input.value });
    };
    input.addEventListener("input", () => {
      limit = STEP;
      run();
    });
    return {
      title: "Images",
      heading: "Images",
      nodes: [
        el("form", { class: "search-form", role: "search", "aria-label": "images", on: { submit: (e) => e.preventDefault() } }, el("label", { class: "wide" }, "Name or label ", input)),
        status,
        shown.length < im.names.length && how ? howText([`The collection has ${im.names.length.toLocaleString("en")} images; thumbnails are kept of those that some unit shows. ${how[0]}`, how[1]]) : null,
        holder
      ],
      shown: run
    };
  }

  // web/src/pages/image.mjs
  async function imagePage(route) {
    if (route.rest === "") return imagesPage(route);
    const { image, name, square, changed: changed2, label, group, move: move2 } = await imageShown(route.rest);
    const [ix, r] = await Promise.all([index(), imageRecord(image)]);
    const { classes: classes2 } = state.overview.data;
    const top = r.classes[0];
    const deviations = evenSigned(r.strongest.slice(0, 12).map((s) => s.deviations), 2);
    const live = el("div", {});
    if (state.live) liveImage(live, image, r, ix);
    return {
      title: name,
      heading: name,
      nodes: [
        changed2,
        el(
          "div",
          { class: "image-top" },
          mapped2(square, r),
          el(
            "div",
            {},
            facts([
              label,
              group,
              top ? ["the model says", el("b", {}, classes2[top.class], label ? classes2[top.class] === label[1] ? " ✓ right" : " ✗ wrong" : "")] : null,
              ["length of the feature", format(r.feature_norm)]
            ]),
            r.classes.length ? classTable(r, classes2, name) : note("The report was made without class embeddings.")
          )
        ),
        el(
          "div",
          { class: "columns two" },
          top ? section(`Why “${classes2[top.class]}”`, { what: "waterfall" }, waterfall(
            ix,
            r,
            `logit-${image}`,
            `What each pair adds to the logit of “${classes2[top.class]}”: all parts sum to ${format(r.sum, 5)}; the logit is ${format(r.logit, 5)}.`
          )) : null,
          r.strongest.length ? section(
            "Pairs that respond to it most",
            { what: "score" },
            el("p", { class: "quiet" }, "By how far the score on this image is from the pair's mean score, in standard deviations over all images."),
            figure(
              "",
              { name: `pairs-${image}`, columns: ["unit", "score", "deviations"], rows: r.strongest.map((s) => [unitName(s.pair), s.score, s.deviations]) },
              el("ul", { class: "near" }, r.strongest.slice(0, 12).map((s) => el(
                "li",
                { "data-unit": unitName(s.pair) },
                el("span", { class: "near-name" }, pairLink(s.pair), el("span", { class: "value", title: "standard deviations from the mean score" }, `${deviations(s.deviations)} sd`)),
                el("span", { class: "near-words" }, wordsLine(wordsOf(ix, s.pair).slice(0, 3), false)),
                el("span", { class: "strip tiny" }, imagesOf(ix, s.pair).map((i) => thumb(i, { labels: false, what: `image of ${unitName(s.pair)}` })))
              )))
            )
          ) : null
        ),
        live,
        r.nearest.length ? section(
          "Nearest images",
          { what: "cosine" },
          el("p", { class: "quiet" }, "By the cosine of image features."),
          figure(
            "",
            { name: `nearest-${image}`, columns: ["image", "cosine"], rows: r.nearest.map((x) => [state.images.names[x.image], x.cosine]) },
            wall(r.nearest.map((x) => ({ image: x.image, value: x.cosine })), `images near ${name}`)
          )
        ) : null
      ],
      move: move2
    };
  }
  function classTable(r, classes2, name) {
    const most = r.classes[0].probability || 1;
    const logit = even(r.classes.slice(0, 8).map((c) => c.logit), 4);
    return figure(
      "",
      { name: `classes-${name}`, columns: ["class", "logit", "probability"], rows: r.classes.map((c) => [classes2[c.class], c.logit, c.probability]) },
      el(
        "table",
        { class: "classes" },
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "class"), el("th", { scope: "col", class: "number" }, "logit", what("logit")), el("th", { scope: "col", class: "number" }, "probability", what("probability")))),
        el("tbody", {}, r.classes.slice(0, 8).map((c) => el(
          "tr",
          {},
          el("th", { scope: "row" }, classes2[c.class]),
          el("td", { class: "number" }, logit(c.logit)),
          el("td", { class: "number share" }, el("span", { class: "share-bar", "aria-hidden": "true", style: { width: `${100 * c.probability / most}%` } }), el("span", { class: "share-text" }, percent(c.probability)))
        )))
      )
    );
  }
  function mapped2(square, r) {
    const under = el("div", {});
    const attention = r.attention ? decodeMaps(r.attention) : /* @__PURE__ */ new Map();
    const tools = el("div", { class: "tools" });
    const show2 = (map, both, texts3) => {
      square.querySelector("canvas")?.remove();
      replace(under);
      if (!map) return;
      const canvas = el("canvas", { class: "map", "aria-hidden": "true" });
      paintMap(canvas, map.side, map.values, both);
      square.append(canvas);
      replace(under, legend(el, both, texts3));
    };
    const pressed = (b) => tools.querySelectorAll("button[aria-pressed]").forEach((x) => x.setAttribute("aria-pressed", String(x === b)));
    const plain = button("image", () => {
      pressed(plain);
      show2(null);
    }, { "aria-pressed": "true" });
    const buttons = [plain];
    if (r.places) {
      const most = Math.max(...r.places.parts.map(Math.abs)) || 1;
      const map = { side: r.places.side, values: r.places.parts.map((v) => v / most) };
      const b = button("map of places", () => {
        pressed(b);
        show2(map, true, [signed(-most), `${signed(most)} of the logit`]);
      }, { "aria-pressed": "false" });
      buttons.push(b);
    }
    append2(tools, buttons, r.places, attention, pressed, show2);
    return el("div", { class: "image-box" }, square, buttons.length > 1 || attention.size ? tools : null, under);
  }
  function append2(tools, buttons, places, attention, pressed, show2) {
    tools.append(el("span", { class: "segmented", role: "group", "aria-label": "what to show over the image" }, buttons));
    if (places) tools.append(what("places"));
    if (attention.size === 0) return;
    const select = el("select", { "aria-label": "attention of a head" }, el("option", { value: "" }, "attention of …"), [...attention.keys()].map((h) => el("option", { value: h }, headName(h))));
    select.addEventListener("change", () => {
      pressed(select.value === "" ? buttons[0] : null);
      const map = select.value === "" ? null : attention.get(Number(select.value));
      show2(map, false, ["0", map ? `${format(map.scale, 2)} of the attention of ${headName(Number(select.value))}` : ""]);
    });
    tools.append(select);
  }

  // web/src/groups.mjs
  var ENDS = 10;
  function byGroup(groups) {
    if (!(groups?.length > 1)) return null;
    const numbers2 = { columns: ["group", "mean cosine", "images"], rows: groups.map((g) => [g.group, g.mean, g.images]) };
    if (groups.every((g) => /^-?\d+$/.test(g.group))) {
      const course = [...groups].sort((a, b) => a.group - b.group);
      const years = course.every((g) => /^(1\d|20|21)\d\d$/.test(g.group));
      const x = years ? "year" : "group";
      return section(years ? "Over the years" : "By group", {}, curves("text-groups", {
        x,
        y: "mean cosine",
        xs: course.map((g) => Number(g.group)),
        lines: [{ label: "mean cosine of images", values: course.map((g) => g.mean), colour: "accent" }],
        xValues: (u, splits) => splits.map((v) => Number.isInteger(v) ? String(v) : ""),
        range: (u, min, max) => [min - (max - min) * 0.1, max + (max - min) * 0.1],
        label: `mean cosine by ${x}: ${course.map((g) => `${g.group} ${format(g.mean, 3)}`).join("; ")}`,
        caption: `Mean cosine of the text and the images of each ${x}.`,
        numbers: numbers2
      }));
    }
    const sorted = [...groups].sort((a, b) => b.mean - a.mean);
    const few = sorted.length <= 2 * ENDS ? sorted : [...sorted.slice(0, ENDS), ...sorted.slice(-ENDS)];
    return section("By group", {}, bars("text-groups", few.map((g) => ({ text: g.group, value: g.mean, title: `${g.group}: ${g.images} images` })), {
      caption: few === sorted ? "Mean cosine of the text and the images of each group." : `Mean cosine of the text and the images of a group: the ${ENDS} highest and the ${ENDS} lowest of ${sorted.length}.`,
      label: "mean cosine by group",
      numbers: numbers2
    }));
  }

  // web/src/pages/text.mjs
  var MOST = 200;
  async function textPage({ query: query2 }) {
    const [ix] = await Promise.all([index(), images()]);
    const q = (query2.get("q") || "").trim();
    const input = el("input", { type: "search", value: q, id: "text-words", autocomplete: "off", list: null, placeholder: state.live ? "any text" : "one of the report's words" });
    const form2 = el("form", { class: "search-form", role: "search", "aria-label": "texts", on: { submit: (e) => {
      e.preventDefault();
      go(address(["t"], { q: input.value.trim() }));
    } } }, el("label", { class: "wide" }, "Text ", input), el("button", { type: "submit" }, "Show"));
    const result = el("div", {});
    const word = ix.lower.indexOf(q.toLowerCase());
    const { text_count: listed } = state.overview.shards;
    if (q && word >= 0 && word < (listed ?? ix.words.length)) {
      const per = state.overview.shards.texts;
      const shard = await load(`t/${Math.floor(word / per)}`);
      replace(result, record(ix, shard.texts[word - shard.first]));
    } else if (q && state.live) {
      textAnswer(result, q, (answer4) => record(ix, answer4));
    } else if (q && word >= 0) {
      replace(result, note(`The report has no list for “${ix.words[word]}”, which is a word of few pairs: `, el("a", { href: address(["s"], { q: ix.words[word] }) }, "pairs described by it"), "."));
    } else if (q) {
      replace(result, note(`“${q}” is not among the report's ${ix.words.length.toLocaleString("en")} words. The explorer (`, el("code", {}, "clipnh explore"), ") takes any text. Words that contain it:"), vocabulary(ix, q));
    } else if (part("words").present) {
      replace(result, vocabulary(ix, ""));
    } else if (!state.live) {
      replace(result, note("This report has no words", part("words").need ? [": they need ", flags(part("words").need)] : "", ". The explorer (", el("code", {}, "clipnh explore"), ") takes any text."));
    }
    return {
      title: q ? `“${q}”` : "Texts",
      heading: q ? `“${q}”` : "Texts",
      nodes: [
        el("p", { class: "lead-line" }, q ? ["The pairs whose direction", what("direction"), " is nearest to this text, and its nearest images."] : part("words").present ? "Each word of the report, with the pairs that stand for it. Choose one or type it." : "The pairs whose direction is nearest to a text, and its nearest images."),
        part("words").present || state.live ? form2 : null,
        result
      ]
    };
  }
  function record(ix, r) {
    const [cosine, norm] = [even(r.pairs.map((p) => p.cosine)), even(r.pairs.map((p) => p.norm))];
    return [
      section("Pairs that stand for it", { what: "cosine" }, figure(
        "",
        { name: "text-pairs", columns: ["unit", "cosine", "mean norm"], rows: r.pairs.map((p) => [unitName(p.pair), p.cosine, p.norm]) },
        el("div", { class: "cards" }, r.pairs.map((p) => unitCard(p.pair, wordsOf(ix, p.pair), imagesOf(ix, p.pair), [["cosine", cosine(p.cosine)], ["mean norm", norm(p.norm)]])))
      )),
      r.images?.length ? section("Images nearest to it", { what: "cosine" }, figure(
        "",
        { name: "text-images", columns: ["image", "cosine"], rows: r.images.map((x) => [state.images.names[x.image], x.cosine]) },
        wall(r.images.map((x) => ({ image: x.image, value: x.cosine })), "images near the text")
      )) : null,
      byGroup(r.groups ?? r.years?.map((y) => ({ group: y.year, mean: y.mean, images: y.images })))
      // years: of reports of older builds
    ];
  }
  function vocabulary(ix, q) {
    const lower = q.toLowerCase();
    const found = ix.words.filter((w, i) => !lower || ix.lower[i].includes(lower));
    const holder = el("ul", { class: "vocabulary" });
    let limit = MOST;
    const more = button("", () => {
      limit += MOST;
      draw2();
    });
    const draw2 = () => {
      replace(holder, found.slice(0, limit).map((w) => el("li", {}, el("a", { href: address(["t"], { q: w }) }, w))));
      more.hidden = found.length <= limit;
      more.textContent = `Show more of ${found.length.toLocaleString("en")} words`;
    };
    draw2();
    return [found.length ? holder : note("There are none."), more];
  }

  // web/src/pages/compare.mjs
  async function comparePage({ query: query2 }) {
    const names = [query2.get("a") || "", query2.get("b") || ""];
    const units = names.map((n) => parseUnit(n));
    const form2 = chooser(names);
    for (const [i, u] of units.entries()) {
      if (names[i] && (!u || u.pair < 0)) throw new Error(`${names[i]}: not a pair of this model; want a name such as ${unitName(0)}`);
    }
    if (units.some((u) => !u)) {
      return { title: "Compare", heading: "Compare two pairs", nodes: [note("Name two pairs, or press c on the pages of two pairs."), form2] };
    }
    await images();
    const both = await Promise.all(units.map(async (u) => ({ u, name: unitName(u.pair), r: pairRecord(await neuronFile(u.neuron), u.head) })));
    const [a, b] = both;
    const shared = await sharedScores(a, b);
    const common = a.r.strongest.filter((x) => b.r.strongest.some((y) => y.image === x.image)).length;
    return {
      title: `${a.name} and ${b.name}`,
      heading: `${a.name} and ${b.name}`,
      nodes: [
        form2,
        el("div", { class: "columns two compare" }, both.map((x) => section(
          el("a", { class: "unit", href: address(["p", x.name]) }, x.name),
          {},
          el("p", { class: "lead-line" }, wordsLine(x.r.words.slice(0, 4))),
          facts([["mean norm", format(x.r.normMean), "norm"], ["description score", format(x.r.spearman, 3), "spearman"], ["polysemanticity", format(x.r.polysemanticity, 3), "polysemanticity"]]),
          figure("", { name: `images-${x.name}`, columns: ["image", "score"], rows: x.r.strongest.map((i) => [state.images.names[i.image], i.value]) }, wall(x.r.strongest, `strongest images of ${x.name}`, { small: true }))
        ))),
        el(
          "div",
          { class: "columns two" },
          section("Their words", { what: "words" }, wordTable(a, b)),
          section(
            "Their scores",
            { what: "score" },
            el("p", {}, `${common} of the ${a.r.strongest.length} strongest images are the same.`, shared.correlation !== null ? ` The correlation of scores is ${format(shared.correlation, 3)}.` : ""),
            shared.images.length > 1 ? points(`scores-${a.name}-${b.name}`, {
              x: `score of ${a.name}`,
              y: `score of ${b.name}`,
              xs: shared.xs,
              ys: shared.ys,
              names: shared.images.map((i) => state.images.names[i]),
              label: `scatter of the scores of ${a.name} and ${b.name} on ${shared.images.length} images`,
              caption: shared.all ? "One dot an image; click one to open it." : `Only the ${shared.images.length} images that the pages of both units list. ${why()}`,
              onPick: (i) => go(address(["i", state.images.names[shared.images[i]]]))
            }) : note(`The pages of both units list ${shared.images.length ? "one image" : "no image"} in common, too few for a scatter. ${why()}`)
          )
        )
      ]
    };
  }
  function why() {
    const { model, data } = state.overview;
    const scores = model.heads * model.neurons * data.images;
    return `All ${scores.toLocaleString("en")} scores would make the report too large: clipnh explore, given its folder, draws all images.`;
  }
  function chooser(names) {
    const inputs = names.map((n, i) => el("input", { type: "text", value: n, "aria-label": i ? "second pair" : "first pair", size: 12, autocomplete: "off", placeholder: unitName(i) }));
    return el("form", { class: "search-form", on: { submit: (e) => {
      e.preventDefault();
      go(address(["c"], { a: inputs[0].value.trim(), b: inputs[1].value.trim() }));
    } } }, el("label", {}, "First ", inputs[0]), el("label", {}, "Second ", inputs[1]), el("button", { type: "submit" }, "Compare"));
  }
  function wordTable(a, b) {
    const texts3 = [...new Set([...a.r.words, ...b.r.words].map((w) => w.text))];
    const of2 = (x, text) => x.r.words.find((w) => w.text === text)?.coefficient ?? null;
    const rows2 = texts3.map((t) => [t, of2(a, t), of2(b, t)]);
    const write2 = even(rows2.flatMap((r) => r.slice(1)));
    return figure(
      "Coefficients; empty where a word is not among the eight of the pair.",
      { name: `words-${a.name}-${b.name}`, columns: ["word", a.name, b.name], rows: rows2 },
      table(["word", a.name, b.name], rows2.map(([t, x, y]) => [t, { n: x === null ? "" : write2(x) }, { n: y === null ? "" : write2(y) }]), { label: "words of both pairs" })
    );
  }
  async function sharedScores(a, b) {
    let [x, y] = [a.r.scores, b.r.scores];
    if ((!x || !y) && state.live) [x, y] = await Promise.all([liveScores(a.name), liveScores(b.name)]);
    let out;
    if (x && y) {
      out = { images: Array.from(x, (_, i) => i), xs: Array.from(x), ys: Array.from(y), all: true };
    } else {
      const known = (r) => new Map([...r.strongest, ...r.quantiles.flatMap((q) => q.items), ...r.weakest].map((h) => [h.image, h.value]));
      const [ka, kb] = [known(a.r), known(b.r)];
      const list2 = [...ka.keys()].filter((i) => kb.has(i));
      out = { images: list2, xs: list2.map((i) => ka.get(i)), ys: list2.map((i) => kb.get(i)), all: false };
    }
    const near2 = a.r.byScores.find((n) => n.pair === b.u.pair) || b.r.byScores.find((n) => n.pair === a.u.pair);
    out.correlation = near2 ? near2.value : out.all ? correlation(out.xs, out.ys) : null;
    return out;
  }
  function correlation(x, y) {
    const mean = (v) => v.reduce((s, t) => s + t, 0) / v.length;
    const [mx, my] = [mean(x), mean(y)];
    let [xy, xx, yy] = [0, 0, 0];
    for (let i = 0; i < x.length; i++) {
      xy += (x[i] - mx) * (y[i] - my);
      xx += (x[i] - mx) ** 2;
      yy += (y[i] - my) ** 2;
    }
    return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : null;
  }

  // web/src/pages/moved.mjs
  var BY = {
    pair: "Both have the same architecture: each pair is compared with the pair of the same head and neuron.",
    direction: "The architectures differ: each pair is compared with the pair whose direction is nearest.",
    scores: "The architectures differ: each pair is compared with the pair whose scores on the same images correlate most."
  };
  async function movedPage() {
    if (!part("comparison").present) {
      return {
        title: "What moved",
        heading: "What moved",
        nodes: [note("This report was not compared with another one. ", el("code", {}, "clipnh report --with OTHER"), " builds one that is.")]
      };
    }
    const [moved2, ix] = await Promise.all([load("moved"), index(), images()]);
    const there = (pair) => pair < 0 ? "" : pairName(pair, moved2.there_names);
    const list2 = (heading, text, items, of2 = items.length) => section(
      `${heading} (${of2.toLocaleString("en")})`,
      {},
      el("p", { class: "quiet" }, text),
      items.length === 0 ? note("None.") : figure(
        "",
        {
          name: heading.toLowerCase(),
          columns: ["here", "there", "similarity", "shift (sd here)", "norm here", "norm there"],
          rows: items.map((s) => [s.here < 0 ? "" : unitName(s.here), there(s.there), s.similarity, s.shift, s.norm_here, s.norm_there])
        },
        el("div", { class: "cards" }, cards(ix, items.slice(0, 60), there)),
        items.length > 60 ? note(`The first 60 of ${count(items.length, "pair")}; the CSV has all.`) : null
      )
    );
    return {
      title: `Compared with ${moved2.there}`,
      heading: `Compared with ${moved2.there}`,
      nodes: [
        el("p", { class: "lead-line" }, BY[moved2.by] || ""),
        facts([
          ["here", moved2.here],
          ["there", moved2.there],
          ["images in both", moved2.shared.toLocaleString("en")],
          ...moved2.other_files > 0 ? [["equal names, other files", moved2.other_files.toLocaleString("en")]] : [],
          ["alive here", `${moved2.here_alive.toLocaleString("en")} of ${count(moved2.here_pairs, "pair")}`],
          ["alive there", `${moved2.there_alive.toLocaleString("en")} of ${count(moved2.there_pairs, "pair")}`]
        ]),
        note(
          "A pair is alive if its mean norm is 1 % of the largest or more; one whose norm merely crosses that, and is not halved, counts as alive on both sides. Similarity is the correlation of scores on the images that both have, or with fewer than 10 of them the cosine of directions. ",
          "The shift is the mean score there less that here, in standard deviations of the scores here."
        ),
        list2("Moved", `Pairs that are alive on both sides and differ by more than rounding; those that differ most come first. ${count(moved2.same, "pair")} do not${moved2.shared < 10 ? ", as far as direction, mean and deviation tell" : ""}.`, moved2.moved, moved2.differ),
        list2("Appeared", "Pairs that are alive there only.", moved2.appeared),
        list2("Died", "Pairs that are alive here only.", moved2.died)
      ]
    };
  }
  function cards(ix, items, there) {
    const write2 = {
      similarity: even(items.map((s) => s.similarity)),
      shift: evenSigned(items.map((s) => s.shift)),
      norm: even(items.flatMap((s) => [s.norm_here, s.norm_there]))
    };
    return items.map((s) => card(ix, s, there(s.there), write2));
  }
  function card(ix, s, there, write2) {
    const values = s.similarity < 0.9995 ? [["similarity", write2.similarity(s.similarity)]] : [];
    if (s.shift) values.push(["shift", write2.shift(s.shift)]);
    values.push(["norm", `${write2.norm(s.norm_here)} → ${write2.norm(s.norm_there)}`]);
    if (s.here >= 0) return unitCard(s.here, wordsOf(ix, s.here), imagesOf(ix, s.here), there && there !== unitName(s.here) ? [["there", there], ...values] : values);
    return el("article", { class: "card" }, el(
      "div",
      { class: "card-head" },
      el("span", { class: "unit" }, there),
      el("span", { class: "card-values" }, el("span", {}, "norm there ", el("b", {}, write2.norm(s.norm_there))))
    ));
  }

  // web/src/pages/list.mjs
  async function listPage({ rest: rest2 }) {
    const name = rest2 || "pins";
    const [ix] = await Promise.all([index(), images()]);
    const holder = el("div", {});
    const say2 = el("p", { role: "status", "aria-live": "polite" });
    const draw2 = () => replace(holder, content(ix, name, draw2, say2));
    draw2();
    return {
      title: `List ${name}`,
      heading: name === "pins" ? "Pinned units" : `List “${name}”`,
      nodes: [note("Lists and notes are kept in this browser only. Export them to share them or to keep them safe."), say2, holder]
    };
  }
  function content(ix, name, draw2, say2) {
    const lists = all();
    const items = lists[name] || [];
    const update = (next) => {
      save({ ...all(), [name]: next });
      draw2();
    };
    const file = el("input", { type: "file", accept: "application/json,.json", class: "visually-hidden", id: "import-lists", on: { change: async () => {
      try {
        const given = parse3(await file.files[0].text());
        const merged = all();
        for (const [n, list2] of Object.entries(given)) {
          const have = merged[n] || [];
          merged[n] = [...have.filter((i) => !list2.some((g) => g.unit === i.unit)), ...list2];
        }
        save(merged);
        draw2();
        say2.textContent = `Imported ${Object.keys(given).length} lists.`;
      } catch (err) {
        say2.textContent = `${file.files[0].name}: not imported: ${err.message}`;
      }
    } } });
    const other = el("input", { type: "text", "aria-label": "name of a new list", placeholder: "new list", size: 14 });
    return [
      el(
        "div",
        { class: "tools" },
        el("nav", { "aria-label": "lists", class: "chips" }, Object.keys(lists).map((n) => el("a", { href: address(["list", n]), class: "chip", "aria-current": n === name ? "page" : null }, `${n} (${lists[n].length})`))),
        el("form", { class: "inline", on: { submit: (e) => {
          e.preventDefault();
          const n = other.value.trim();
          if (!n) return;
          save({ [n]: [], ...all() });
          go(address(["list", n]));
        } } }, other, el("button", { type: "submit" }, "Make")),
        button("Export JSON", () => download("clipnh-lists.json", "application/json", JSON.stringify(all(), null, 1) + "\n")),
        el("label", { for: "import-lists", class: "button" }, "Import JSON"),
        file,
        items.length ? button("Compare the first two", () => go(address(["c"], { a: items[0].unit, b: items[1]?.unit || "" }))) : null
      ),
      items.length === 0 ? note("Nothing is pinned here. Press ☆ beside a unit, or the key p.") : el("ol", { class: "pinned" }, items.map((item, i) => pinned(ix, item, {
        note: (text) => save({ ...all(), [name]: (all()[name] || []).map((x, k) => k === i ? { ...x, note: text } : x) }),
        remove: () => update(items.filter((_, k) => k !== i)),
        move: (to) => update(items.map((x, k) => k === i ? items[to] : k === to ? items[i] : x).filter(Boolean)),
        up: i > 0 ? i - 1 : -1,
        lists: Object.keys(lists).filter((n) => n !== name),
        copy: (to) => {
          const l = all();
          l[to] = [...(l[to] || []).filter((x) => x.unit !== item.unit), item];
          save(l);
          draw2();
        }
      })))
    ];
  }
  function pinned(ix, item, act) {
    const unit = parseUnit(item.unit);
    const text = el("textarea", { rows: 2, "aria-label": `note on ${item.unit}`, placeholder: "note", on: { input: () => act.note(text.value) } });
    text.value = item.note;
    const columns2 = unit && unit.pair < 0 ? ix.neurons : ix.pairs;
    const at = unit ? unit.pair >= 0 ? unit.pair : unit.neuron : -1;
    const known = unit && at >= 0;
    return el(
      "li",
      { "data-unit": item.unit },
      el(
        "div",
        { class: "card-head" },
        known ? el("a", { class: "unit", href: address(unit.pair >= 0 ? ["p", item.unit] : ["n", unit.neuron]) }, item.unit) : el("span", { class: "unit" }, `${item.unit} (not of this model)`),
        act.up >= 0 ? button("↑", () => act.move(act.up), { class: "small", "aria-label": `move ${item.unit} up` }) : null,
        act.lists.length ? el("select", { class: "small", "aria-label": `copy ${item.unit} to a list`, on: { change: (e) => e.target.value && act.copy(e.target.value) } }, el("option", { value: "" }, "copy to …"), act.lists.map((n) => el("option", { value: n }, n))) : null,
        button("remove", act.remove, { class: "small", "aria-label": `remove ${item.unit}` })
      ),
      known ? el("div", {}, wordsLine(wordsOf(ix, at, columns2))) : null,
      known ? el("div", { class: "strip" }, imagesOf(ix, at, columns2).map((image) => thumb(image, { labels: false, what: `image of ${item.unit}` }))) : null,
      text
    );
  }

  // web/src/pages/about.mjs
  async function aboutPage() {
    const { inputs, parts: parts2 } = state.overview;
    return {
      title: "About",
      heading: "About this report",
      nodes: [
        section("What each number means", {}, el("dl", { class: "terms" }, Object.values(terms()).map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))))),
        section(
          "The files it was made from",
          {},
          el("p", {}, "Each with its SHA-256, what its manifest says it was made from, and a command that makes it again. The command is put together from the manifest. A file that is known by its hash only, and is not one of these, has a word in capitals, such as SCORES, in its place."),
          figure(
            "",
            { name: "inputs", columns: ["kind", "path", "sha256", "made_from", "a_command"], rows: inputs.map((i) => [i.kind, i.path, i.sha256, i.made ?? "", i.command]) },
            el("ul", { class: "inputs" }, inputs.map((i) => el(
              "li",
              {},
              el("div", {}, el("b", {}, i.path), " ", el("span", { class: "quiet" }, i.kind)),
              el("div", { class: "hash" }, i.sha256),
              i.command ? el("pre", { tabindex: "0", role: "region", "aria-label": `a command that makes a file such as ${i.path}` }, el("code", {}, i.command)) : null,
              i.made ? el(
                "details",
                {},
                el("summary", {}, "what it was made from"),
                el("pre", { tabindex: "0", role: "region", "aria-label": `what ${i.path} was made from` }, el("code", {}, i.made))
              ) : null
            )))
          )
        ),
        parts2.length ? section("Its parts", {}, el("ul", { class: "parts" }, parts2.map((p) => el("li", {}, p.present ? "✓ " : "– ", el("b", {}, p.name.replaceAll("_", " ")), p.present ? "" : [" is not here", p.need ? ` (needs ${flags(p.need)})` : ""])))) : null,
        section("Keys", {}, el("dl", { class: "terms keys" }, SHORTCUTS.filter(([key2]) => !ofHeads() || !["p", "c", "l"].includes(key2)).map(([key2, text]) => el("div", {}, el("dt", {}, el("kbd", {}, key2)), el("dd", {}, text))))),
        section("How it is made", {}, note(
          "The pages are static files: they read nothing but this folder and send nothing anywhere. Curves are drawn by uPlot (MIT licence, in the file uPlot.LICENSE of this folder). ",
          ofHeads() ? "" : "Lists that you pin are kept in this browser. ",
          form().method()
        ))
      ]
    };
  }

  // web/src/heads/map.mjs
  var MEASURES = {
    norm: ["mean norm", "norm", (v) => format(v, 2)],
    share: ["share of the feature", "share", (v) => percent(v, 0)],
    explained: ["explained variance", "explained", (v) => percent(v, 0)]
  };
  function headTable(all2, key2, caption, text) {
    const { layer_heads: each2 } = state.overview.model;
    const per = each2 || all2.length;
    const most = Math.max(...all2.map((h) => Math.abs(h[key2] ?? 0))) || 1;
    const rows2 = Array.from({ length: Math.ceil(all2.length / per) }, (_, l) => all2.slice(l * per, (l + 1) * per));
    return figure(
      caption,
      { name: `heads-${key2}`, columns: ["head", key2], rows: all2.map((h) => [h.name, h[key2]]) },
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": `heads by ${MEASURES[key2][0]}` },
        el(
          "table",
          { class: "headmap" },
          el("thead", {}, el("tr", {}, el("th", { scope: "col" }, each2 ? "layer" : ""), Array.from({ length: per }, (_, h) => el("th", { scope: "col" }, `h${h}`)))),
          el("tbody", {}, rows2.map((row, l) => el("tr", {}, el("th", { scope: "row" }, each2 ? l : ""), row.map((h) => {
            const known = h[key2] !== null;
            return el("td", {}, el("a", {
              href: headAddress(h.name),
              title: [h.name, ...valuesOf(h).map((v) => v.join(" ")), ...h.texts.slice(0, 3)].join(" · "),
              "aria-label": known ? `${h.name}: ${text(h[key2])}` : h.name
            }, el("i", { class: "cell", "aria-hidden": "true", style: { "background-color": known ? swatch(h[key2] / most) : "transparent" } }), known ? text(h[key2]) : "–"));
          }))))
        )
      )
    );
  }
  function headMaps2(all2) {
    const known = Object.entries(MEASURES).filter(([key2]) => all2.some((h) => h[key2] !== null));
    return section("All heads at a glance", {}, el("div", { class: "headmaps" }, known.map(([key2, [name, term, text]]) => headTable(all2, key2, [`Heads by ${name}`, what(term)], text))));
  }

  // web/src/heads/overview.mjs
  var FIRST = 6;
  async function headsOverview() {
    const [all2] = await Promise.all([heads(), images()]);
    const o = state.overview;
    const name = o.model.name && o.model.name !== "custom" ? `, ${o.model.name},` : "";
    const spanned = all2.filter((h) => h.explained !== null).sort((a, b) => b.explained - a.explained || a.head - b.head);
    const strongest2 = [...all2].sort((a, b) => b.norm - a.norm || a.head - b.head);
    return {
      title: "Overview",
      heading: o.title,
      nodes: [
        el(
          "div",
          { class: "lead" },
          el(
            "p",
            {},
            "A network of the kind called CLIP",
            what("clip"),
            ` turns an image into a list of numbers that can be compared with texts. What the one shown here${name} says about an image is the sum of what its ${count(all2.length, "head")}`,
            what("head", o.model.layer_heads ? "," : ""),
            o.model.layer_heads ? " its MLPs and the class token that enters the first layer add." : " add."
          ),
          el("p", {}, `These pages show, for each head, to which of ${count(o.data.images, "image")} it adds most`, part("texts").present ? [", and the texts", what("texts"), " that span what it adds"] : "", "."),
          searchForm2(all2),
          state.live ? note(
            "These pages answer now: which heads an image has its class from, on its page and for one of yours on that of ",
            el("a", { href: "#/i" }, "the images"),
            "; which heads tell images apart by ",
            el("a", { href: "#/t" }, "any text"),
            "; and what the model says without ",
            el("a", { href: "#/toggle" }, "some heads"),
            ". Labels of pixels are by pairs, and pages of heads have none."
          ) : null
        ),
        changed(o.data),
        headMaps2(all2),
        spanned.length ? list("Best explained by texts", "explained", "Their texts explain most of the variance of what they add.", "explained", spanned) : null,
        list("The strongest heads", "norm", "These add most to the image feature, averaged over all images.", "norm", strongest2),
        section("Model and images", {}, facts([
          ["model", o.model.name],
          ["image feature", `${o.model.out_dim} numbers`],
          ["heads", o.model.layer_heads ? `${all2.length / o.model.layer_heads} layers × ${o.model.layer_heads} = ${all2.length}` : all2.length, "head"],
          o.model.input_size ? ["image size", `${o.model.input_size} × ${o.model.input_size} pixels`] : null,
          o.model.precision ? ["precision", o.model.precision] : null,
          ["images", `${o.data.images.toLocaleString("en")}${o.data.name ? `, ${o.data.name}` : ""}`],
          ["weights, SHA-256", el("code", { class: "hash" }, o.model.weights_sha256)]
        ]), note("Every file that this was made from, with its hash and command: ", el("a", { href: "#/about" }, "about this report"), ".")),
        lacking(o)
      ]
    };
  }
  function list(heading, term, text, sort, sorted) {
    return section(
      heading,
      { what: term },
      el("p", { class: "quiet" }, text, " ", el("a", { href: address(["s"], { sort }) }, "All in this order")),
      el("div", { class: "cards" }, sorted.slice(0, FIRST).map(headCard))
    );
  }
  function searchForm2(all2) {
    const texts3 = part("texts").present;
    const input = el("input", { type: "search", name: "q", placeholder: texts3 ? `a text, or a head such as ${example()} …` : `${example()} …`, "aria-label": texts3 ? "search heads by text or name" : "search heads by name", autocomplete: "off" });
    return el(
      "form",
      { class: "big-search", role: "search", "aria-label": "heads", on: { submit: (e) => {
        e.preventDefault();
        go(address(["s"], { q: input.value }));
      } } },
      input,
      el("button", { type: "submit" }, "Search"),
      el("span", { class: "quiet" }, "or ", el("a", { href: "#/s" }, `browse all ${count(all2.length, "head")}`), ", ", el("a", { href: "#/i" }, "the images"))
    );
  }

  // web/src/heads/live.mjs
  var MAPS = 12;
  var rest = () => state.overview.model.layer_heads ? { rest: "MLPs", words: "and the first class token" } : { rest: "constant", words: "biases, the same for every image" };
  function answer3(all2, name, a, square) {
    const words2 = new Map(all2.map((h) => [h.name, h.texts.slice(0, 2).join("; ")]));
    const bar = (p) => ({ href: headAddress(p.head), text: p.head, words: words2.get(p.head), value: p.part });
    return [
      explainedBy(name, a, sumOf(a, bar, { noun: "head", ...rest() }, `asked-logit-${name}`, `What each head adds to the logit of “${a.target}”: all parts sum to ${format(a.sum, 5)}; the logit is ${format(a.logit, 5)}.`)),
      headMaps(a, name, square)
    ];
  }
  function question(id2, ask2, ...more) {
    const classes2 = el("input", { type: "text", id: `${id2}-classes`, placeholder: "dog, cat, boat", autocomplete: "off" });
    const chosen = classChoice(() => ask2(), `${id2}-class`);
    const form2 = el("form", { class: "search-form", on: { submit: (e) => {
      e.preventDefault();
      chosen.forget(classes2.value.trim());
      ask2();
    } } }, el("label", { class: "wide" }, "Classes of your own, with commas between ", classes2), more, chosen.label);
    parts().then((p) => p.classes?.length && (classes2.placeholder = p.classes.slice(0, 4).join(", ")), () => {
    });
    return { form: form2, chosen, values: () => ({ classes: classes2.value.trim(), class: chosen.value(), maps: MAPS }) };
  }
  function askImage(box, image) {
    const result = el("div", { "aria-live": "polite" });
    const ask2 = () => waiting2(result, Promise.all([get(`image/${image}`, q.values()), heads()]), ([a, all2]) => {
      q.chosen.offer(a.classes);
      return answer3(all2, image, a, (text) => face(image, text));
    });
    const q = question("asked", ask2, el("button", { type: "submit" }, "Ask"));
    const holder = el("div", {});
    box.append(section("Why its class", { class: "live", what: "waterfall" }, holder));
    need(holder, "image", () => {
      parts().then((p) => p.classes?.length ? ask2() : replace(result, note("Type classes to see which heads decide between them.")));
      return [q.form, result];
    });
  }
  function askOwn(box) {
    const result = el("div", { "aria-live": "polite" });
    let image = null;
    const ask2 = () => {
      if (!image) {
        replace(result, note("Choose an image first."));
        return;
      }
      waiting2(result, Promise.all([post("drop", q.values(), image), heads(), preview(image)]), ([a, all2, square]) => {
        q.chosen.offer(a.classes);
        return [el("p", { class: "quiet" }, image.name), answer3(all2, "sent", a, square)];
      });
    };
    const take = (f) => {
      if (!f) return;
      image = f;
      ask2();
    };
    const file = el("input", { type: "file", accept: "image/*", id: "drop-file", class: "visually-hidden", on: { change: () => take(file.files[0]) } });
    const zone = el(
      "div",
      { class: "drop" },
      "Drop an image here, or ",
      el("label", { for: "drop-file", class: "button" }, "choose one"),
      file,
      el("p", { class: "quiet" }, "It is examined on this machine and not kept.")
    );
    const over = (is) => (e) => {
      e.preventDefault();
      zone.classList.toggle("over", is);
    };
    zone.addEventListener("dragover", over(true));
    zone.addEventListener("dragleave", over(false));
    zone.addEventListener("drop", (e) => {
      over(false)(e);
      take(e.dataTransfer.files[0]);
    });
    const q = question("own", ask2, el("button", { type: "submit" }, "Ask"));
    const holder = el("div", {});
    box.append(section("An image of yours", { class: "live", what: "waterfall" }, holder));
    need(holder, "drop", () => [q.form, zone, result]);
  }
  async function preview(image) {
    const bitmap = await createImageBitmap(image).catch(() => null);
    return (text) => {
      const box = el("span", { class: "face", role: "img", "aria-label": text });
      if (!bitmap) {
        box.classList.add("lacking");
        return box;
      }
      const side = Math.min(bitmap.width, bitmap.height);
      const canvas = el("canvas", { class: "sent", width: 224, height: 224, "aria-hidden": "true" });
      canvas.getContext("2d").drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, 224, 224);
      box.append(canvas);
      return box;
    };
  }
  function textButton(input) {
    return el(
      "p",
      { class: "live" },
      button("Embed this text now", () => input.value.trim() && go(address(["t"], { q: input.value.trim() }))),
      el("span", { class: "quiet" }, " any text: the heads whose additions differ most along it, and the nearest images")
    );
  }
  async function headsText({ query: query2 }) {
    if (!state.live) throw new Error("Texts are compared with heads in the explorer only: clipnh explore REPORT");
    const [all2] = await Promise.all([heads(), images()]);
    const q = (query2.get("q") || "").trim();
    const input = el("input", { type: "search", value: q, id: "text-words", autocomplete: "off", placeholder: "any text" });
    const box = el("div", {});
    if (q) {
      need(box, "text", () => {
        const result = el("div", {}, "…");
        waiting2(result, get("text", { q }), (a) => near(all2, a));
        return result;
      });
    }
    return {
      title: q ? `“${q}”` : "Texts",
      heading: q ? `“${q}”` : "Texts",
      nodes: [
        el("p", { class: "lead-line" }, "The heads whose additions to images differ most along a text", what("along", ","), " and the images nearest to it."),
        el("form", { class: "search-form", role: "search", "aria-label": "texts", on: { submit: (e) => {
          e.preventDefault();
          go(address(["t"], { q: input.value.trim() }));
        } } }, el("label", { class: "wide" }, "Text ", input), el("button", { type: "submit" }, "Show")),
        box
      ]
    };
  }
  function near(all2, a) {
    const [deviation, mean] = [even(a.heads.map((h) => h.deviation)), even(a.heads.map((h) => h.mean))];
    const texts3 = new Map(all2.map((h) => [h.name, h.texts.slice(0, 3).join("; ")]));
    return [
      section(
        "Heads that tell images apart by it",
        { what: "along" },
        el("p", { class: "quiet" }, "By how far what a head adds along the text differs over the images, as a standard deviation. Explained is the share of the variance of all that the head adds. The images are those to which it adds most along the text."),
        figure(
          "",
          { name: "text-heads", columns: ["head", "deviation", "mean", "explained"], rows: a.heads.map((h) => [h.head, h.deviation, h.mean, h.explained]) },
          el("div", { class: "cards" }, a.heads.map((h) => el(
            "article",
            { class: "card", "data-unit": h.head, "aria-label": h.head },
            el(
              "div",
              { class: "card-head" },
              el("a", { href: headAddress(h.head), class: "unit" }, h.head),
              el("span", { class: "card-values" }, [["deviation", deviation(h.deviation)], ["mean", mean(h.mean)], ["explained", percent(h.explained)]].map(([text, v]) => el("span", {}, `${text} `, el("b", {}, v))))
            ),
            el("div", { class: "card-words" }, texts3.get(h.head)),
            el("div", { class: "strip" }, h.images.map((x) => thumb(x.image, { labels: false, what: `${h.head} along “${a.text}”` })))
          )))
        )
      ),
      a.images.length ? section("Images nearest to it", { what: "cosine" }, figure(
        "",
        { name: "text-images", columns: ["image", "cosine"], rows: a.images.map((x) => [state.images.names[x.image], x.cosine]) },
        wall(a.images.map((x) => ({ image: x.image, value: x.cosine })), "images near the text")
      )) : null,
      byGroup(a.groups)
    ];
  }

  // web/src/heads/list.mjs
  var SORTS2 = { place: "layer and head", norm: "mean norm", share: "share of the feature", explained: "explained variance" };
  async function headsList({ query: query2 }) {
    const [all2] = await Promise.all([heads(), images()]);
    const input = el("input", { type: "search", value: query2.get("q") || "", id: "search-words", autocomplete: "off", spellcheck: "false", placeholder: part("texts").present ? "part of a text, or a head" : "a head" });
    const keys = Object.keys(SORTS2).filter((k) => k === "place" || all2.some((h) => h[k] !== null));
    const sort = el("select", {}, keys.map((k) => el("option", { value: k, selected: k === query2.get("sort") }, SORTS2[k])));
    const status = el("p", { role: "status", "aria-live": "polite", class: "result-count" });
    const holder = el("div", { class: "cards" });
    let found = all2;
    const run = () => {
      const q = input.value.trim().toLowerCase();
      found = all2.filter((h) => !q || h.name === q || h.name.startsWith(`${q}h`) || h.lower.some((t) => t.includes(q)));
      const by = sort.value;
      if (by !== "place") found = [...found].sort((a, b) => (b[by] ?? -Infinity) - (a[by] ?? -Infinity) || a.head - b.head);
      replace(status, `${found.length.toLocaleString("en")} of ${all2.length.toLocaleString("en")} heads`);
      replace(holder, found.map(headCard));
      setQuery({ q: input.value, sort: by === "place" ? "" : by });
    };
    input.addEventListener("input", run);
    sort.addEventListener("change", run);
    return {
      title: input.value ? `Heads for “${input.value}”` : "Heads",
      heading: "Heads",
      nodes: [
        el(
          "form",
          { class: "search-form", role: "search", "aria-label": "find heads", on: { submit: (e) => e.preventDefault() } },
          el("label", { class: "wide" }, part("texts").present ? "Text or head " : "Head ", input),
          el("label", {}, "Order ", sort)
        ),
        el("div", { class: "status-line" }, status, numbersOf({ name: "heads", columns: ["head", "norm", "share", "explained", "texts"], rows: () => found.map((h) => [h.name, h.norm, h.share, h.explained, h.texts.join("; ")]) })),
        state.live ? textButton(input) : null,
        holder
      ],
      focus: () => input,
      shown: run
    };
  }

  // web/src/heads/head.mjs
  async function headRecord(route) {
    const { rest: rest2 } = route;
    if (rest2 === "") return headsList(route);
    const [all2] = await Promise.all([heads(), images()]);
    const at = all2.findIndex((h) => h.name === rest2.toLowerCase());
    const head = at >= 0 ? at : /^\d+$/.test(rest2) && Number(rest2) < all2.length ? Number(rest2) : -1;
    if (head < 0) throw new Error(`${rest2}: not a head of this model, which has ${all2[0].name} to ${all2.at(-1).name}`);
    const r = await load(`h/${head}`);
    const { name } = r;
    const maps = decode2(r);
    const live = el("div", {});
    if (state.live) liveHead(live, name, (r.along ?? r.norm).strongest[0]?.image ?? 0);
    return {
      title: r.texts.length ? `${name}: ${r.texts.slice(0, 2).map((t) => t.text).join("; ")}` : name,
      heading: [el("span", { class: "unit-name" }, name), state.live ? offButton(name) : null],
      lead: r.texts.length ? r.texts.slice(0, 4).map((t) => t.text).join("; ") : null,
      nodes: [
        facts([
          ["mean norm", `${format(r.norm.mean)} ± ${format(r.norm.deviation, 3)}`, "norm"],
          ["largest norm", format(r.norm.largest)],
          r.share !== null ? ["share of the feature", percent(r.share, 2), "share"] : null,
          r.explained !== null ? ["explained variance", percent(r.explained), "explained"] : null
        ]),
        el("nav", { class: "siblings", "aria-label": "heads of the same layer" }, siblings2(all2, head)),
        r.along ? ranking(`Along “${r.texts[0].text}”`, "along", `along “${r.texts[0].text}”`, r.along, name, maps, r.texts[0].text) : null,
        live,
        texts2(r, name),
        ranking("By norm", "norm", "norm", r.norm, name, r.along ? null : maps, null)
      ],
      move: (by) => {
        if (all2[head + by]) location.hash = headAddress(all2[head + by].name);
      }
    };
  }
  function siblings2(all2, head) {
    const per = state.overview.model.layer_heads || all2.length;
    const first2 = Math.floor(head / per) * per;
    return all2.slice(first2, first2 + per).map((h) => el("a", { href: headAddress(h.name), class: "unit", "aria-current": h.head === head ? "page" : null }, h.name));
  }
  function texts2(r, name) {
    if (r.texts.length === 0) {
      return section("Its texts", { what: "texts" }, note(part("texts").present ? "The file of texts has none for this head: textspan spans the heads of the last layers." : "The report was made without texts of heads."));
    }
    const known = r.texts.some((t) => t.explained !== null);
    return section("Its texts", { what: "texts" }, figure(known ? [
      "In the order in which they were found. The bar is the variance",
      what("explained"),
      " that a text explains together with those before it.",
      r.texts.some((t) => t.images.length) ? [" The images are those to which the head adds most along the text", what("along", ".")] : ""
    ] : "In the order in which they were found.", {
      name: `texts-${name}`,
      columns: ["text", "explained", "image", "along"],
      rows: r.texts.flatMap((t) => (t.images.length ? t.images : [null]).map((x) => [t.text, t.explained, x ? state.images.names[x.image] : null, x ? x.value : null]))
    }, el("ol", { class: "phrases" }, r.texts.map((t, i) => el(
      "li",
      {},
      el("span", { class: "phrase" }, el("b", {}, t.text)),
      t.explained !== null ? el("span", { class: "phrase-share" }, el("span", { class: "track", "aria-hidden": "true" }, el("i", { style: { width: `${100 * Math.max(0, Math.min(1, t.explained))}%` } })), percent(t.explained)) : null,
      t.images.length ? el("span", { class: "strip tiny" }, t.images.map((x) => thumb(x.image, { labels: false, what: `${name} along “${t.text}”` }))) : null
    )))));
  }
  function ranking(heading, term, x, r, name, maps, text) {
    const mapped3 = (items) => items.map((i) => ({ ...i, map: maps?.get(i.image) }));
    const shown = maps && r.strongest.some((i) => maps.has(i.image));
    return section(heading, { what: term }, el(
      "div",
      { class: "columns images-two" },
      el(
        "div",
        {},
        el("h3", {}, "strongest", shown ? what("head_map") : null),
        wall(mapped3(r.strongest), `${name} ${x}, strongest`),
        shown ? legend(el, text !== null, [text !== null ? `−${format(maps.limit, 2)}` : "0", format(maps.limit, 2)]) : null,
        shown ? note(text !== null ? `Where the head reads what it adds: the places and the ${wording().token} sum to the number.` : "The length of what the head adds by each place.") : null
      ),
      el(
        "div",
        {},
        [...QUANTILES.keys()].reverse().map((q) => el("div", { class: "quantile" }, el("h3", {}, `${Math.round(100 * QUANTILES[q])} %`), wall(r.quantiles[q] ?? [], `${name} ${x} at ${Math.round(100 * QUANTILES[q])} %`, { small: true }))),
        el("div", { class: "quantile" }, el("h3", {}, "weakest"), wall(mapped3(r.weakest), `${name} ${x}, weakest`, { small: true })),
        histogram(`${term}-${name}`, r.histogram, {
          x: text === null ? "norm" : "part along the text",
          caption: `${state.overview.data.images.toLocaleString("en")} images; mean ${format(r.mean, 3)}, median ${format(r.median, 3)}, standard deviation ${format(r.deviation, 3)}.`
        })
      )
    ));
  }
  function decode2(r) {
    const out = /* @__PURE__ */ new Map();
    if (!r.maps?.images.length) return out;
    const values = numbers(r.maps.values);
    const sizes = Float32Array.from(values, Math.abs).sort();
    out.limit = sizes[Math.floor(sizes.length * 99 / 100)] || 1;
    const each2 = r.maps.side ** 2;
    r.maps.images.forEach((image, i) => out.set(image, {
      side: r.maps.side,
      values: values.subarray(i * each2, (i + 1) * each2).map((v) => v / out.limit),
      both: r.along !== null
    }));
    return out;
  }

  // web/src/heads/image.mjs
  async function headsImage(route) {
    if (route.rest === "") return withOwn(await imagesPage(route));
    const [all2, { image, name, square, changed: changed2, label, group, move: move2 }] = await Promise.all([heads(), imageShown(route.rest)]);
    const of2 = all2.filter((h) => h.images.includes(image)).sort((a, b) => a.images.indexOf(image) - b.images.indexOf(image) || a.head - b.head);
    const live = el("div", {});
    if (state.live) askImage(live, image);
    return {
      title: name,
      heading: name,
      nodes: [
        changed2,
        el("div", { class: "image-top" }, el("div", { class: "image-box" }, square), facts([label, group])),
        live,
        section("Heads that show it first", {}, of2.length ? [el("p", { class: "quiet" }, `It is among the images to which these heads add most, ${of2.every((h) => h.along) ? ranked(of2[0]) : "along their first text, or by norm where they have none"}.`), el("div", { class: "cards" }, of2.map(headCard))] : note("It is not among the first images of any head."))
      ],
      move: move2
    };
  }
  function withOwn(page) {
    if (!state.live) return page;
    const box = el("div", {});
    askOwn(box);
    return { ...page, nodes: [box, ...page.nodes] };
  }

  // web/src/heads/moved.mjs
  var BY2 = {
    head: "Both have the same architecture: each head is compared with the head of the same name.",
    means: "Both have the same architecture: each head is compared with the head of the same name, by its mean alone, as few images are in both.",
    cka: "The architectures differ: each head is compared with the head that is most alike on the same images."
  };
  async function headsMoved() {
    if (!part("comparison").present) {
      return {
        title: "What moved",
        heading: "What moved",
        nodes: [note("This report was not compared with another one. ", el("code", {}, "clipnh report --with OTHER"), " builds one that is.")]
      };
    }
    const [moved2, all2] = await Promise.all([load("moved"), heads(), images()]);
    const similarity = moved2.by === "means" ? "cosine" : "CKA";
    const columns2 = ["here", "there", similarity, "shift (rms here)", "norm here", "norm there", "share of norms here", "share of norms there"];
    const list2 = (heading, text, items, of2 = items.length) => section(
      `${heading} (${of2.toLocaleString("en")})`,
      {},
      el("p", { class: "quiet" }, text),
      items.length === 0 ? note("None.") : figure(
        "",
        {
          name: heading.toLowerCase(),
          columns: columns2,
          rows: items.map((s) => [s.here_name, s.there_name, s.similarity, s.shift, s.norm_here, s.norm_there, s.norm_share_here, s.norm_share_there])
        },
        el("div", { class: "cards" }, cards2(all2, items.slice(0, 60), similarity, moved2.by === "cka")),
        items.length > 60 ? note(`The first 60 of ${count(items.length, "head")}; the CSV has all.`) : null
      )
    );
    return {
      title: `Compared with ${moved2.there}`,
      heading: `Compared with ${moved2.there}`,
      nodes: [
        el("p", { class: "lead-line" }, BY2[moved2.by] || "", moved2.by === "means" ? null : [" CKA says how alike two heads are", what("cka"), "."]),
        facts([
          ["here", moved2.here],
          ["there", moved2.there],
          ["images in both", moved2.shared.toLocaleString("en")],
          moved2.other_files > 0 ? ["equal names, other files", moved2.other_files.toLocaleString("en")] : null,
          ["alive here", `${moved2.here_alive.toLocaleString("en")} of ${count(moved2.here_heads, "head")}`],
          ["alive there", `${moved2.there_alive.toLocaleString("en")} of ${count(moved2.there_heads, "head")}`],
          moved2.chance === null ? null : ["CKA by chance", even([moved2.chance], 2)(moved2.chance)]
        ]),
        note(
          "A head is alive if its mean norm is 1 % of the largest or more. ",
          moved2.by === "cka" ? "A head that has no match of a CKA of 0.25 has died, or appeared. “Of norms” is the share of its mean norm in the sum of those of all heads. " : "The shift is the distance of the means, over the root mean square distance of single images from their mean here. ",
          moved2.chance === null ? null : "By chance, with the images there in a random order, 95 % of the heads find no match of a larger CKA than the one above."
        ),
        list2("Moved", `Heads that are ${moved2.by === "cka" ? "matched" : "alive on both sides"} and differ by more than rounding; those that differ most come first. ${count(moved2.same, "head")} ${moved2.same === 1 ? "does" : "do"} not.`, moved2.moved, moved2.differ),
        list2("Appeared", "Heads that are alive there only.", moved2.appeared),
        list2("Died", "Heads that are alive here only.", moved2.died)
      ]
    };
  }
  function cards2(all2, items, similarity, matched) {
    const alike = even(items.map((s) => s.similarity));
    const shift = even(items.map((s) => s.shift ?? 0));
    const norm = even(items.flatMap((s) => [s.norm_here, s.norm_there]));
    const size = (s, side) => matched ? percent(s[`norm_share_${side}`]) : norm(s[`norm_${side}`]);
    const sized = matched ? "of norms" : "norm";
    return items.map((s) => {
      const values = [[s.here >= 0 && s.there >= 0 ? similarity : `largest ${similarity}`, alike(s.similarity)]];
      if (s.here >= 0 && s.there >= 0 && s.here_name !== s.there_name) values.unshift(["there", s.there_name]);
      if (s.shift !== null) values.push(["shift", shift(s.shift)]);
      if (s.here >= 0) return cardOf(all2[s.here], [...values, [sized, s.there >= 0 ? `${size(s, "here")} → ${size(s, "there")}` : size(s, "here")]]);
      return el("article", { class: "card" }, el(
        "div",
        { class: "card-head" },
        el("span", { class: "unit" }, s.there_name),
        el("span", { class: "card-values" }, [...values, [`${sized} there`, size(s, "there")]].map(([text, v]) => el("span", {}, `${text} `, el("b", {}, v))))
      ));
    });
  }

  // web/src/main.mjs
  var PAGES = {
    "": overview,
    s: searchPage,
    p: pairPage,
    n: neuronPage,
    h: headPage,
    i: imagePage,
    t: textPage,
    c: comparePage,
    m: movedPage,
    list: listPage,
    about: aboutPage,
    toggle: togglePage
  };
  var PAGES_OF_HEADS = { "": headsOverview, s: headsList, h: headRecord, i: headsImage, t: headsText, m: headsMoved, toggle: togglePage, about: aboutPage };
  var main = document.getElementById("main");
  var header = document.getElementById("search");
  var current = null;
  var turn = 0;
  function say(text) {
    const box = document.getElementById("say");
    box.textContent = text;
    box.classList.add("shown");
    clearTimeout(say.timer);
    say.timer = setTimeout(() => box.classList.remove("shown"), 5e3);
  }
  async function show(first2) {
    const mine = turn += 1;
    const started = performance.now();
    const route = parse(location.hash);
    const make = (ofHeads() ? PAGES_OF_HEADS : PAGES)[route.kind];
    main.setAttribute("aria-busy", "true");
    let page;
    try {
      if (!make) throw new Error(`There is no page ${location.hash}.`);
      page = await make(route);
    } catch (err) {
      page = { title: "Not found", heading: "This cannot be shown", nodes: [failure(err), el("p", {}, el("a", { href: "#/" }, "To the first page"))] };
    }
    if (mine !== turn) return;
    current = page;
    document.title = `${page.title} · ${state.overview?.title || "clipnh"}`;
    const h1 = el("h1", { tabindex: "-1" }, page.heading);
    replace(main, el("div", { class: "page-head" }, h1, page.lead ? el("div", { class: "page-lead" }, page.lead) : null), howNote(), page.nodes);
    main.setAttribute("aria-busy", "false");
    main.dataset.path = route.path;
    markNavigation(route.kind);
    page.shown?.();
    if (!first2) {
      scrollTo(0, 0);
      (page.focus?.() || h1).focus({ preventScroll: true });
    }
    state.lastShow = performance.now() - started;
    state.firstShown ||= performance.now();
    page.later?.then(() => state.complete ||= performance.now(), (err) => append(main, failure(err)));
    document.dispatchEvent(new CustomEvent("clipnh-shown", { detail: route.path }));
  }
  function markNavigation(kind) {
    for (const a of document.querySelectorAll("header nav a")) {
      const is = parse(a.getAttribute("href")).kind === kind;
      if (is) a.setAttribute("aria-current", "page");
      else a.removeAttribute("aria-current");
    }
  }
  async function boot() {
    start(document.getElementById("theme"));
    const title = document.getElementById("report-title");
    try {
      await start2();
    } catch (err) {
      replace(main, el("h1", {}, "This report cannot be shown"), failure(err));
      return;
    }
    title.textContent = state.overview.title;
    for (const a of document.querySelectorAll("[data-live]")) a.hidden = !state.live;
    for (const a of document.querySelectorAll("[data-pairs]")) a.hidden = ofHeads() && !(state.live && a.hasAttribute("data-heads-live"));
    if (ofHeads()) header.placeholder = "search texts or heads (/)";
    for (const a of document.querySelectorAll("[data-comparison]")) a.hidden = !part("comparison").present;
    header.closest("form").addEventListener("submit", (e) => {
      e.preventDefault();
      go(address(["s"], { q: header.value }));
      header.value = "";
    });
    document.addEventListener("clipnh-say", (e) => say(e.detail));
    start3(() => current, header, say, ofHeads() ? ["p", "c", "l"] : []);
    addEventListener("hashchange", () => show(false));
    globalThis.clipnh = { state };
    await show(true);
  }
  boot();
})();
