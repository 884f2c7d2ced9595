// A server stops and starts again while somebody looks at a page: node restart.js <base>. What is seen is told on the output, and
// whoever has started this acts on that.
import assert from "node:assert/strict";
import { api, open, quiet, start } from "./browser.js";

const [base] = process.argv.slice(2);
const browser = await start();
try {
    const page = await open(browser, { baseURL: base });
    await page.goto("/ui/networks");
    const live = page.locator("#live", { hasText: /^live$/ });
    await live.waitFor();
    await page.evaluate(() => { window.isSamePage = true; });
    console.log("live");
    await page.locator("#live.broken", { hasText: "not connected" }).waitFor();
    console.log("lost");
    await live.waitFor();
    // It goes on: what is made from now on comes into the picture.
    const network = { fq_name: ["default-domain", "default-project", "after-the-restart"], parent_type: "project" };
    const made = await api(base, "POST", "/virtual-networks", { "virtual-network": network });
    await page.locator(`#picture [data-uuid="${made["virtual-network"].uuid}"]`).waitFor();
    assert.ok(await page.evaluate(() => window.isSamePage), "the page was not loaded anew");
    quiet(page);
} finally {
    await browser.close();
}
