// Keeps what a page shows fresh without losing the place: the server makes the page anew, and only what differs is put in.
// Nothing here builds HTML from data, so what a stranger wrote is never more than text.

const MIN_PAUSE = 2000; // ms between two looks, so that a busy gateway is not asked by every page for every event
const POLL_PAUSE = 10000; // ms, where there is no stream
const TYPES = ["message", "event", "attempt", "sink", "alarm", "job", "missed"];
const sign = document.querySelector("[data-live-sign]");
const regions = document.querySelectorAll("[data-live]");

let wanted = false;
let busy = false;
let last = 0;
let timer = 0;

function say(on) {
  if (!sign) return;
  sign.dataset.state = on ? "on" : "off";
  sign.textContent = on ? sign.dataset.on : sign.dataset.off;
}

function want() {
  wanted = true;
  if (busy || timer || document.hidden) return;
  timer = setTimeout(look, Math.max(0, last + MIN_PAUSE - Date.now()));
}

async function look() {
  timer = 0;
  wanted = false;
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error", cache: "no-store" });
    if (answer.ok) merge(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    say(false);
  }
  busy = false;
  last = Date.now();
  if (wanted) want();
}

// What a person looks at stays where it is, in browsers that do not see to it as well: `place` is the first row in view.
function merge(fresh) {
  const place = scrollY > 0 && [...document.querySelectorAll("[data-live] [id]")].find((one) => one.getBoundingClientRect().top >= 0);
  const top = place && place.getBoundingClientRect().top;
  for (const region of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(region.id);
    if (other) morph(region, other);
  }
  if (place && place.isConnected) scrollBy({ top: place.getBoundingClientRect().top - top, behavior: "instant" });
}

// Makes `old` like `fresh`, keeping every element that is in both: focus, selection and open parts stay with them.
function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (old.matches("input, textarea, select")) return;
  const kept = new Map();
  for (const child of old.children) if (child.id) kept.set(child.id, child);
  const first = kept.size > 0;
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const same = next.id ? kept.get(next.id) : at && !at.id && at.nodeName === next.nodeName ? at : null;
    if (!same) {
      const added = document.importNode(next, true);
      if (first && added.nodeName === "TR") added.classList.add("fresh");
      old.insertBefore(added, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    if (same.nodeType === Node.ELEMENT_NODE) morph(same, next);
    else if (same.nodeValue !== next.nodeValue) same.nodeValue = next.nodeValue;
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

if (regions.length) {
  const stream = new EventSource("/api/v1/stream");
  let poll = 0;
  stream.addEventListener("open", () => {
    clearInterval(poll);
    poll = 0;
    say(true);
  });
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) say(false);
    poll ||= setInterval(want, POLL_PAUSE);
  });
  for (const type of TYPES) stream.addEventListener(type, want);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) want();
  });
  addEventListener("pagehide", () => stream.close());
}

// A form that sends itself when a choice is made; without scripts its button does.
for (const choice of document.querySelectorAll("select[data-sends]")) {
  choice.addEventListener("change", () => choice.form.requestSubmit());
}
