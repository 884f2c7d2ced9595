// The picture of networks: finds in it while one types, makes it larger and smaller, tells what belongs together, and follows what
// changes. All that is shown is made by the server: after a change the page is asked for again, and its parts take the place of
// those that are here.
import { follow, say } from "./live.js";

const place = document.getElementById("networks");
const news = document.getElementById("news");
const find = document.getElementById("find");
const zoom = document.getElementById("zoom");
const PAUSE = 400;
/** After an answer that took so long, at least so many times as long passes before the next question. */
const REST = 5;
const STEP = 1.25;
/** A picture is not made smaller than this by itself: texts would be too small. */
const READABLE = 0.65;

const cards = () => [...document.querySelectorAll("#picture g[data-uuid]")];

// Finding.

function findCards() {
    const wanted = find.value.trim().toLowerCase();
    let first = null;
    for (const card of cards()) {
        const fits = wanted === "" || card.dataset.words.includes(wanted);
        card.classList.toggle("dim", !fits);
        card.classList.toggle("hit", fits && wanted !== "");
        if (fits && wanted !== "") first ??= card;
    }
    document.getElementById("picture")?.classList.toggle("searched", wanted !== "");
    for (const item of document.querySelectorAll("ul.networks > li")) item.hidden = !item.dataset.words.includes(wanted);
    for (const row of document.querySelectorAll("#networks-in-short tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    return first;
}

find?.addEventListener("input", () => {
    const first = findCards();
    if (first) first.scrollIntoView({ block: "nearest", inline: "center" });
    const count = document.querySelectorAll("#picture g.hit").length;
    news.textContent = find.value.trim() === "" ? "" : `${count} found`;
});

// Size.

let scale = null;

function resize() {
    const picture = document.getElementById("picture");
    const map = document.getElementById("map");
    if (zoom) zoom.hidden = !picture;
    if (!picture) return;
    const { width, height } = picture.viewBox.baseVal;
    const fits = Math.min(1, map.clientWidth / width);
    if (scale === "fit") scale = fits;
    // What is not much too wide is made to fit at once; what is wider would be too small to read.
    const now = scale ?? (fits > READABLE ? fits : READABLE);
    picture.setAttribute("width", Math.round(width * now));
    picture.setAttribute("height", Math.round(height * now));
    return now;
}

/** Begins where most lines meet, if not all is to be seen. */
function begin() {
    const map = document.getElementById("map");
    const ends = new Map();
    for (const line of document.querySelectorAll("#picture path[data-ends]")) {
        for (const end of line.dataset.ends.split(" ")) ends.set(end, (ends.get(end) ?? 0) + 1);
    }
    const [most] = [...ends].sort(([, one], [, other]) => other - one);
    const card = most && cards()[Number(most[0])];
    if (!map || !card) return;
    const [inner, outer] = [card.getBoundingClientRect(), map.getBoundingClientRect()];
    map.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
    map.scrollTop += inner.top + inner.height / 2 - outer.top - outer.height / 2;
}

zoom?.addEventListener("click", (event) => {
    const kind = event.target.dataset?.zoom;
    if (!kind) return;
    const now = resize();
    scale = kind === "fit" ? "fit" : Math.min(4, Math.max(0.05, kind === "in" ? now * STEP : now / STEP));
    resize();
});
addEventListener("resize", resize);

// What belongs to the box that is pointed at, or has the focus.

function tell(card) {
    const picture = document.getElementById("picture");
    if (!picture) return;
    picture.classList.toggle("pointed", Boolean(card));
    const index = card ? String(cards().indexOf(card)) : null;
    const near = new Set([index]);
    for (const line of picture.querySelectorAll("path[data-ends]")) {
        const ends = line.dataset.ends.split(" ");
        const belongs = index !== null && ends.includes(index);
        line.classList.toggle("near", belongs);
        if (belongs) ends.forEach((end) => near.add(end));
    }
    cards().forEach((other, at) => other.classList.toggle("near", index !== null && near.has(String(at))));
}

for (const [name, isOver] of [["pointerover", true], ["focusin", true], ["pointerleave", false], ["focusout", false]]) {
    place?.addEventListener(name, (event) => {
        const card = isOver ? event.target.closest?.("#picture g[data-uuid]") : null;
        tell(card);
    });
}

// What changes.

/** Asks for the page, and puts its parts here. Says what has come since. */
async function show(path) {
    const answer = await fetch(path, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    if (new URL(answer.url).pathname !== location.pathname) return location.reload();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("networks");
    if (!next) return location.reload();
    const before = new Map(cards().map((card) => [card.dataset.uuid, card]));
    const map = document.getElementById("map");
    const [left, top] = [map?.scrollLeft ?? 0, map?.scrollTop ?? 0];
    const focused = place.contains(document.activeElement) ? key(document.activeElement) : null;
    place.replaceChildren(...[...next.childNodes].map((node) => document.importNode(node, true)));
    resize();
    findCards();
    const now = document.getElementById("map");
    if (now) [now.scrollLeft, now.scrollTop] = [left, top];
    if (focused) [...place.querySelectorAll("a, [tabindex]")].find((other) => key(other) === focused)?.focus({ preventScroll: true });
    const come = cards().filter((card) => !before.has(card.dataset.uuid));
    come.forEach((card) => card.classList.add("come"));
    const names = come.map((card) => card.querySelector(".name").textContent);
    if (names.length > 0 && before.size > 0) news.textContent = `New: ${names.slice(0, 5).join(", ")}`;
}

/** By what a link is known again when all of them are new. */
function key(element) {
    return `${element.getAttribute("href") ?? element.id} ${element.getAttribute("aria-label") ?? ""}`;
}

let timer = null;
let isAsking = false;
let isDue = false;

/** Soon asks once for all that happens meanwhile. */
function soon(pause = PAUSE) {
    isDue = true;
    if (timer || isAsking || document.hidden) return;
    timer = setTimeout(ask, pause);
}

async function ask() {
    timer = null;
    isAsking = true;
    isDue = false;
    const began = performance.now();
    try {
        await show(location.href);
    } catch {
        // The feed says how it is with the server; what was missed is asked for when it is back.
        isDue = true;
    }
    isAsking = false;
    if (isDue) soon(Math.max(PAUSE, REST * (performance.now() - began)));
}

document.addEventListener("visibilitychange", () => { if (isDue) soon(); });

// Ports open and close without the page being loaded anew.
place?.addEventListener("click", async (event) => {
    const link = event.target.closest?.("a[href]");
    const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
    const path = link?.getAttribute("href") ?? "";
    const switches = link && ["switch", "opens", "closes"].some((name) => name in link.dataset);
    if (!switches || !isPlain) return;
    event.preventDefault();
    const uuid = link.closest("#picture g[data-uuid]")?.dataset.uuid;
    const [left, top] = corner(uuid);
    // Boxes that open make the picture larger, and all in it smaller, if it was made to fit.
    if (uuid) scale ??= resize();
    try {
        await show(path);
        history.pushState(null, "", path);
    } catch {
        return location.assign(path);
    }
    if (uuid) {
        // It stays where it was, and is to be seen as a whole.
        const [nowLeft, nowTop] = corner(uuid);
        const map = document.getElementById("map");
        map.scrollLeft += nowLeft - left;
        map.scrollTop += nowTop - top;
        const card = cardOf(uuid);
        card?.scrollIntoView({ block: "nearest", inline: "nearest" });
        card?.querySelector("[data-switch]")?.focus({ preventScroll: true });
    } else {
        const ports = document.getElementById("ports");
        ports?.scrollIntoView({ block: "nearest" });
        ports?.focus({ preventScroll: true });
    }
});

const cardOf = (uuid) => cards().find((card) => card.dataset.uuid === uuid);

function corner(uuid) {
    const { left, top } = cardOf(uuid)?.getBoundingClientRect() ?? { left: 0, top: 0 };
    return [left, top];
}

addEventListener("popstate", () => soon(0));

resize();
begin();
findCards();
if (place) {
    const types = place.dataset.types.split(",");
    const fields = Object.fromEntries(types.map((type) => [type, ["display_name"]]));
    follow({ types, fields, since: place.dataset.since, onChange: () => soon(), onGap: () => location.reload() });
} else {
    say("");
}
