// The program of the pages: loads the overview, shows the page of the address.

import { el, replace, append } from "./dom.mjs";
import { parse, address, go } from "./router.mjs";
import * as theme from "./theme.mjs";
import * as keys from "./keys.mjs";
import { start, state, part, ofHeads } from "./state.mjs";
import { failure } from "./parts.mjs";
import { howNote } from "./live/picture.mjs";
import { overview } from "./pages/overview.mjs";
import { searchPage } from "./pages/search.mjs";
import { pairPage } from "./pages/pair.mjs";
import { neuronPage } from "./pages/neuron.mjs";
import { headPage } from "./pages/head.mjs";
import { imagePage } from "./pages/image.mjs";
import { textPage } from "./pages/text.mjs";
import { comparePage } from "./pages/compare.mjs";
import { movedPage } from "./pages/moved.mjs";
import { listPage } from "./pages/list.mjs";
import { aboutPage } from "./pages/about.mjs";
import { togglePage } from "./live/toggle.mjs";
import { headsOverview } from "./heads/overview.mjs";
import { headsList } from "./heads/list.mjs";
import { headRecord } from "./heads/head.mjs";
import { headsImage } from "./heads/image.mjs";
import { headsText } from "./heads/live.mjs";
import { headsMoved } from "./heads/moved.mjs";

const PAGES = {
  "": overview, s: searchPage, p: pairPage, n: neuronPage, h: headPage, i: imagePage, t: textPage, c: comparePage, m: movedPage,
  list: listPage, about: aboutPage, toggle: togglePage,
};

// Those of a report of heads.
const PAGES_OF_HEADS = { "": headsOverview, s: headsList, h: headRecord, i: headsImage, t: headsText, m: headsMoved, toggle: togglePage, about: aboutPage };

const main = document.getElementById("main");
const header = document.getElementById("search");
let current = null;
let turn = 0;

// say tells something that is not part of the page, also to screen readers.
function say(text) {
  const box = document.getElementById("say");
  box.textContent = text;
  box.classList.add("shown");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => box.classList.remove("shown"), 5000);
}

async function show(first) {
  const mine = (turn += 1);
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
  if (mine !== turn) return; // someone went on
  current = page;
  document.title = `${page.title} · ${state.overview?.title || "clipnh"}`;
  const h1 = el("h1", { tabindex: "-1" }, page.heading);
  replace(main, el("div", { class: "page-head" }, h1, page.lead ? el("div", { class: "page-lead" }, page.lead) : null), howNote(), page.nodes);
  main.setAttribute("aria-busy", "false");
  main.dataset.path = route.path;
  markNavigation(route.kind);
  page.shown?.();
  if (!first) {
    scrollTo(0, 0);
    (page.focus?.() || h1).focus({ preventScroll: true });
  }
  state.lastShow = performance.now() - started;
  state.firstShown ||= performance.now();
  page.later?.then(() => (state.complete ||= performance.now()), (err) => append(main, failure(err)));
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
  theme.start(document.getElementById("theme"));
  const title = document.getElementById("report-title");
  try {
    await start();
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
  keys.start(() => current, header, say, ofHeads() ? ["p", "c", "l"] : []);
  addEventListener("hashchange", () => show(false));
  globalThis.clipnh = { state }; // for whoever looks from the console
  await show(true);
}

boot();
