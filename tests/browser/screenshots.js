// Pictures of pages: node screenshots.js <base> <directory> <name>=<path> ...
import { open, start } from "./browser.js";
import { mkdir } from "node:fs/promises";

const [base, directory, ...pages] = process.argv.slice(2);
await mkdir(directory, { recursive: true });
const browser = await start();
for (const [kind, options] of Object.entries({
    light: { viewport: { width: 1280, height: 800 } },
    dark: { viewport: { width: 1280, height: 800 }, colorScheme: "dark" },
    phone: { viewport: { width: 400, height: 800 }, deviceScaleFactor: 1 },
})) {
    const page = await open(browser, { baseURL: base, ...options });
    for (const [name, path] of pages.map((page) => page.split(/=(.*)/s))) {
        await page.goto(path);
        await page.screenshot({ path: `${directory}/${name}-${kind}.png`, fullPage: true });
    }
    for (const complaint of page.complaints) console.error(complaint);
}
await browser.close();
