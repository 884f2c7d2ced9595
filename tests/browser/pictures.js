// The pictures of the page in docs/images: node tests/browser/pictures.js [<program> [<directory>]]
//
// Starts a server of its own, with a database of its own, makes an application there, and looks at pages. Nothing of it needs the
// internet, and nothing stays but the pictures.
import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { make } from "./application.js";
import { open, quiet, start } from "./browser.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const [program = join(root, "target/release/cirrus"), directory = join(root, "docs/images")] = process.argv.slice(2);
const WIDE = { width: 1280, height: 760 };
const FLAT = { width: 1280, height: 430 };
const PHONE = { width: 400, height: 800 };

/** Runs `work` with the address of a server, which ends with it. */
async function withServer(work) {
    const place = await mkdtemp(join(tmpdir(), "cirrus-pictures-"));
    // For root the database runs as another user, who has to get there.
    await chmod(place, 0o711);
    const server = spawn(program, ["serve", "--listen", "127.0.0.1:0", "--data-dir", join(place, "data"), "--log", "error"], {
        stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise((resolve, reject) => server.once("exit", resolve).once("error", reject));
    try {
        const lines = createInterface({ input: server.stdout });
        const ready = new Promise((resolve) => lines.once("line", resolve));
        const line = await Promise.race([ready, ended]);
        const [base] = String(line).match(/http:\S+/) ?? [];
        if (!base) throw new Error(`${program} did not start: ${line}`);
        await work(base);
    } finally {
        server.kill("SIGTERM");
        await ended.catch(() => {});
        await rm(place, { recursive: true, force: true });
    }
}

/** What is to be seen: a name for each, where it is, how wide and in which colours, and what one does there. */
function pictures({ shop, networks, service }) {
    const topology = `/ui/networks?project=${shop}`;
    const object = `/ui/object/virtual-network/${service}`;
    return [
        ["networks-light", topology, WIDE, "light", settled],
        ["networks-phone", topology, PHONE, "light", settled],
        ["ports-light", `${topology}&open=${networks.frontend}`, WIDE, "light", settled],
        ["object-dark", object, WIDE, "dark", history],
        ["addresses-light", `/ui/addresses/virtual-network/${networks.frontend}`, WIDE, "light"],
        ["search-light", "/ui/changes", FLAT, "light", search],
    ];
}

/** The page follows what happens. */
const settled = (page) => page.locator("#live", { hasText: /^live$/ }).waitFor();

async function history(page) {
    await settled(page);
    await page.getByRole("heading", { name: "History" }).waitFor();
}

/** An address is typed: who has it? */
async function search(page) {
    await settled(page);
    await page.getByRole("combobox", { name: "Search" }).fill("10.1.1.240");
    await page.getByRole("option").first().waitFor();
}

await mkdir(directory, { recursive: true });
await withServer(async (base) => {
    const made = await make(base);
    const browser = await start();
    try {
        for (const [name, path, viewport, colorScheme, act] of pictures(made)) {
            const page = await open(browser, { baseURL: base, viewport, colorScheme });
            await page.goto(path);
            await act?.(page);
            await page.screenshot({ path: join(directory, `${name}.png`), animations: "disabled" });
            quiet(page);
            await page.context().close();
        }
    } finally {
        await browser.close();
    }
});
