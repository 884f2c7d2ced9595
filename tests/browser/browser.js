// A browser of the system's, with nothing of its own and no way to the internet, and what tests of pages have in common.
import { chromium } from "playwright-core";
import axe from "axe-core";
import assert from "node:assert/strict";

const FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];
/** How long anything may take, in milliseconds. */
const PATIENCE = 30_000;

/** A browser; each one that is started has a profile of its own, which goes with it. */
export async function start() {
    return chromium.launch({ executablePath: process.env.CIRRUS_CHROMIUM || "/usr/bin/chromium", args: FLAGS, headless: true });
}

/** A window without cookies. What goes wrong in a page is collected: a test ends with `quiet`. */
export async function open(browser, options = {}) {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    page.complaints = [];
    page.on("pageerror", (error) => page.complaints.push(`${page.url()}: ${error}`));
    page.on("console", (message) => {
        // A status is the server's answer, and is looked at where it is expected.
        const isStatus = message.text().startsWith("Failed to load resource");
        if (message.type() === "error" && !isStatus) page.complaints.push(`${page.url()}: ${message.text()}`);
    });
    return page;
}

/** Nothing has gone wrong in the scripts and styles of a page: neither an error, nor something that its policy forbids. */
export function quiet(page) {
    assert.deepEqual(page.complaints, []);
}

/** What axe-core finds seriously wrong for those who can't see, or have no mouse. */
export async function faults(page) {
    // The policy of the page lets no script in; this one comes by way of the browser's tools.
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    return serious.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html).join(" | ")}`);
}

/** Goes to a page, and finds no serious fault in it, wide and narrow, light and dark. */
export async function accessible(page, path) {
    await page.goto(path);
    for (const colorScheme of ["light", "dark"]) {
        for (const width of [1280, 400]) {
            await page.emulateMedia({ colorScheme });
            await page.setViewportSize({ width, height: 900 });
            assert.deepEqual(await faults(page), [], `${path}, ${colorScheme}, ${width} pixels`);
            const { wide, screen } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, screen: innerWidth }));
            assert.ok(wide <= screen, `${path} is ${wide} pixels wide on a screen of ${screen}`);
        }
    }
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 1280, height: 900 });
}

/** What the interface answers. */
export async function api(base, method, path, body, headers = {}) {
    const answer = await fetch(base + path, {
        method,
        headers: { "Content-Type": "application/json", ...headers },
        body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text && JSON.parse(text);
}
