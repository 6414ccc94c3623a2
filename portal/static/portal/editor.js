// The template editor: colours while typing, and a live preview of what is not saved yet. Without
// this script the form is a plain form and saves the same; nothing here changes a field's text.

// --- Colours ----------------------------------------------------------------------------------
const ENDS = { "{%": ["tag", "%}"], "{{": ["output", "}}"], "<!--": ["comment", "-->"] };

// A source in pieces, each with its kind; "" for plain text. The rules are those of `pieces` in
// portal/highlight.py, and a test compares the two. One way through, whatever the source.
export function pieces(source) {
  const begin = /\{%|\{\{|<!--|<\/?[A-Za-z]/g, rest = /[^<>{]*>?/y, found = [];
  let at = 0;
  for (let start; (start = begin.exec(source)); begin.lastIndex = at) {
    if (start.index > at) found.push(["", source.slice(at, start.index)]);
    const [kind, close] = ENDS[start[0]] ?? ["html", null];
    if (close === null) {
      rest.lastIndex = begin.lastIndex;
      rest.exec(source);
      at = rest.lastIndex;
    } else {
      const end = source.indexOf(close, begin.lastIndex);
      at = end < 0 ? source.length : end + close.length;
    }
    found.push([kind, source.slice(start.index, at)]);
  }
  if (at < source.length) found.push(["", source.slice(at)]);
  return found;
}

// Longer sources have no colours while they are typed, so that no key waits: laying out as much
// text twice is what takes the time, not finding its pieces. The page of the version has them.
const MOST = 32_000;

// A layer with the colours under the field, whose own letters are clear. The field keeps the
// caret, the selection, undo and whatever reads it aloud; the layer is hidden from that.
function colour(field) {
  const box = document.createElement("div"), layer = document.createElement("pre");
  box.className = "hiram-code";
  layer.className = "hiram-source hiram-code-layer";
  layer.setAttribute("aria-hidden", "true");
  // A last empty line is only there when something follows.
  layer.append("\n");
  field.before(box);
  box.append(layer, field);
  let shown = [];

  const place = () => {
    // Without the scrollbar, so that lines break where the field breaks them.
    layer.style.inset = `${field.clientTop}px auto auto ${field.clientLeft}px`;
    layer.style.width = `${field.clientWidth}px`;
    layer.style.height = `${field.clientHeight}px`;
    layer.scrollTop = field.scrollTop;
  };
  const paint = () => {
    const off = field.value.length > MOST, now = off ? [] : pieces(field.value);
    const same = (a, b) => a[0] === b[0] && a[1] === b[1];
    const most = Math.min(shown.length, now.length);
    let before = 0, after = 0;
    while (before < most && same(shown[before], now[before])) before++;
    while (after < most - before && same(shown.at(-1 - after), now.at(-1 - after))) after++;
    // Only what is new is made anew: one key changes a piece or two.
    const changed = document.createRange(), fresh = document.createDocumentFragment();
    changed.setStart(layer, before);
    changed.setEnd(layer, shown.length - after);
    changed.deleteContents();
    for (const [kind, text] of now.slice(before, now.length - after)) {
      const span = document.createElement("span");
      span.className = `hiram-code-${kind || "plain"}`;
      span.textContent = text;
      fresh.append(span);
    }
    changed.insertNode(fresh);
    shown = now;
    box.classList.toggle("hiram-code-off", off);
    place();
  };
  field.addEventListener("input", paint);
  field.addEventListener("scroll", place);
  // Also when it is shown for the first time, inside of what was closed.
  new ResizeObserver(place).observe(field);
  // A browser that comes back to the page fills in what was typed, without an event.
  window.addEventListener("pageshow", paint);
  paint();
}

// --- Preview ----------------------------------------------------------------------------------
const PAUSE = 400, AGAIN = 2_000, LONGEST = 30_000;
const WIDTHS = { narrow: ["hiram-frame hiram-frame-narrow", 360], wide: ["hiram-frame hiram-frame-wide", 680] };

function preview(form, panel) {
  const part = (name) => panel.querySelector(`#${name}`);
  const entered = (name) => panel.querySelector(`[name=live-${name}]`);
  const state = part("live-state"), findings = part("live-findings"), made = part("live-made");
  let timer, due = false, asking = false, again = true;

  // One question at a time: an answer is never about an older text than the one before it, and
  // who types fast keeps one renderer busy, not several.
  const soon = (pause) => {
    clearTimeout(timer);
    timer = setTimeout(() => { due = true; ask(); }, pause);
  };
  const ask = async () => {
    if (asking || !due) return;
    due = false;
    asking = true;
    try {
      await said(await asked());
    } catch {
      tell("The server cannot be reached, or took too long. Nothing typed is lost.");
    }
    asking = false;
    ask();
  };
  const asked = () => {
    const body = new FormData(form);
    for (const name of ["locale", "given"]) body.set(`live-${name}`, entered(name).value);
    const signal = AbortSignal.timeout(LONGEST);
    return fetch(panel.dataset.url, { method: "POST", body, redirect: "manual", signal });
  };
  const said = async (answer) => {
    if (answer.status === 503) {
      const { busy } = await answer.json();
      tell(again ? `${busy} It is tried again soon.` : `${busy} It is tried again when you type.`);
      if (again) soon(AGAIN);
      again = false;
    } else if (answer.type === "opaqueredirect") {
      tell("You are logged out. Log in on another page: nothing typed here is lost.");
    } else if (!answer.ok) {
      tell(`There is no preview: the server answered ${answer.status}.`);
    } else {
      show(await answer.json());
    }
  };
  const tell = (text, errors = []) => {
    state.textContent = text;
    findings.hidden = !errors.length;
    findings.replaceChildren(...errors.map(finding));
    made.classList.toggle("hiram-live-old", text !== "");
  };
  const show = (answer) => {
    if (answer.findings) {
      const old = made.hidden ? "" : " This is the last preview without one.";
      return tell(`What is typed has an error.${old}`, answer.findings);
    }
    offer(answer.locales);
    part("live-in").textContent = answer.locale;
    part("live-size").textContent = answer.size;
    // A text message has no subject.
    part("live-subject")?.replaceChildren(answer.subject ?? "");
    part("live-text").textContent = answer.text ?? "";
    const frame = part("live-html");
    // Another document begins at its top: only when there is something else to see.
    if (frame.srcdoc !== (answer.html ?? "")) frame.srcdoc = answer.html ?? "";
    frame.parentElement.hidden = answer.html === null;
    made.hidden = false;
    tell("");
  };
  const finding = ({ field, label, detail }) => {
    const item = document.createElement("li"), input = field && document.getElementById(`id_${field}`);
    const link = document.createElement(input ? "a" : "span");
    link.textContent = label;
    if (input) {
      link.href = `#${input.id}`;
      link.addEventListener("click", (event) => {
        event.preventDefault();
        for (let up = input; (up = up.parentElement?.closest("details")); ) up.open = true;
        input.focus();
      });
    }
    item.append(...(label ? [link, `: ${detail}`] : [detail]));
    return item;
  };
  // The locales change with the text; the one that was chosen stays.
  const offer = (locales) => {
    const list = entered("locale"), chosen = list.value;
    const there = [...list.options].slice(1).map((option) => option.value);
    if (there.join() === locales.join()) return;
    list.replaceChildren(list.options[0], ...locales.map((tag) => new Option(tag, tag)));
    list.value = locales.includes(chosen) ? chosen : "";
  };
  const widen = () => {
    const frame = part("live-html"), [classes, pixels] = WIDTHS[entered("width").value];
    frame.className = classes;
    frame.title = `HTML part, ${pixels} pixels wide`;
  };

  const typed = () => {
    again = true;
    soon(PAUSE);
  };
  form.addEventListener("input", typed);
  entered("given").addEventListener("input", typed);
  entered("locale").addEventListener("change", typed);
  entered("width").addEventListener("change", widen);
  panel.hidden = false;
  panel.parentElement.classList.add("hiram-columns");
  // After the fields have what the browser remembers.
  window.addEventListener("pageshow", () => { widen(); soon(0); });
}

// --- The page ---------------------------------------------------------------------------------
for (const field of document.querySelectorAll("textarea[data-source=liquid]")) colour(field);
const panel = document.getElementById("live");
if (panel) preview(document.getElementById("edit"), panel);
