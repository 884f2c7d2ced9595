// A member signs in at an issuer, which is another site:
// node sign_in_at_issuer.js <base> <uuid of a network of its own> <that of another's>
import assert from "node:assert/strict";
import { accessible, open, quiet, start } from "./browser.js";

const [base, own, other] = process.argv.slice(2);

/** To the issuer and back, to where one wanted to go. */
async function signIn(page) {
    await page.goto(`/ui/object/virtual-network/${own}`);
    await page.getByRole("link", { name: "Sign in with localhost" }).click();
    await page.getByRole("link", { name: "Continue as alice" }).click();
    await page.waitForURL(`**/ui/object/virtual-network/${own}`);
    await page.getByRole("heading", { name: "own virtual network" }).waitFor();
}

const browser = await start();
try {
    const page = await open(browser, { baseURL: base });
    await accessible(page, "/ui/sign-in");
    await signIn(page);
    await page.getByText("alice · alice-proj").waitFor();
    await page.locator("#live", { hasText: "live" }).waitFor();
    await page.goto("/ui/type/virtual-network");
    assert.equal(await page.locator(`a[href$="${own}"]`).count(), 1);
    assert.equal(await page.locator(`a[href$="${other}"]`).count(), 0);
    assert.equal((await page.goto(`/ui/object/virtual-network/${other}`)).status(), 403);
    assert.equal(await page.evaluate(() => document.cookie), "", "scripts see neither the session nor the attempt");
    const cookies = await page.context().cookies();
    assert.deepEqual(cookies.map(({ name, sameSite }) => [name, sameSite]), [["cirrus-session", "Strict"]]);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("**/ui/sign-in");
    await page.goto("/ui/types");
    await page.waitForURL("**/ui/sign-in?*");
    // One who changes one's mind has no session, and is told.
    await page.getByRole("link", { name: "Sign in with localhost" }).click();
    await page.getByRole("link", { name: "Refuse" }).click();
    await page.getByRole("alert").filter({ hasText: "localhost has refused. It says: access_denied" }).waitFor();
    quiet(page);

    const plain = await open(browser, { baseURL: base, javaScriptEnabled: false });
    await signIn(plain);
} finally {
    await browser.close();
}
