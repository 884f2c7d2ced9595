// What a browser makes of the pages: node pages.js <base> [<token of a member> <token of another one> <uuid of a network of the first>]
import assert from "node:assert/strict";
import { accessible, api, open, quiet, start } from "./browser.js";

const [base, ...tokens] = process.argv.slice(2);
const project = ["default-domain", "default-project"];

/** Follows references from a list to an address and back to its network. */
async function followsReferences(browser) {
    const subnet = { subnet: { ip_prefix: "10.9.0.0", ip_prefix_len: 24 } };
    const ipam = { to: [...project, "default-network-ipam"], attr: { ipam_subnets: [subnet] } };
    const network = { fq_name: [...project, "followed"], parent_type: "project", network_ipam_refs: [ipam] };
    await api(base, "POST", "/virtual-networks", { "virtual-network": network });
    const refs = [{ to: network.fq_name }];
    const port = { fq_name: [...project, "followed-port"], parent_type: "project", virtual_network_refs: refs };
    await api(base, "POST", "/virtual-machine-interfaces", { "virtual-machine-interface": port });
    const address = { fq_name: ["followed-address"], virtual_network_refs: refs, virtual_machine_interface_refs: [{ to: port.fq_name }] };
    await api(base, "POST", "/instance-ips", { "instance-ip": address });

    const page = await open(browser, { baseURL: base });
    await page.goto("/");
    await page.getByRole("link", { name: "All types" }).first().click();
    await page.getByRole("link", { name: "virtual-machine-interface", exact: true }).click();
    await page.getByRole("link", { name: "followed-port" }).click();
    await page.getByRole("heading", { name: "followed-port" }).waitFor();
    await page.getByRole("link", { name: "followed-address" }).click();
    await page.getByRole("heading", { name: "followed-address" }).waitFor();
    await page.getByRole("link", { name: "followed", exact: true }).click();
    await page.getByRole("heading", { name: "followed virtual network" }).waitFor();
    assert.match(await page.locator("main").innerText(), /10\.9\.0\.0\/24/);
    quiet(page);
    return page;
}

/** Says that what is shown has changed since, without being asked; and goes on after that. */
async function saysThatItHasChanged(page) {
    await page.locator("#live", { hasText: "live" }).waitFor();
    const uuid = page.url().split("/").pop();
    for (const text of ["changed once", "changed twice"]) {
        await api(base, "PUT", `/virtual-network/${uuid}`, { "virtual-network": { display_name: text } });
        await page.locator("#changed", { hasText: "changed since" }).waitFor();
        await page.getByRole("link", { name: "Load the page again" }).click();
        await page.locator("dd", { hasText: text }).first().waitFor();
        await page.locator("#live", { hasText: "live" }).waitFor();
    }
    await page.getByRole("heading", { name: "History" }).waitFor();
    assert.deepEqual(await page.locator(".history del").allInnerTexts(), ["changed once", "followed"]);
    await api(base, "DELETE", `/virtual-network/${uuid}`).catch(() => {});
    quiet(page);
}

/** Shows markup in names and values as what it is. */
async function showsMarkup(browser) {
    const name = `<img src=x onerror="document.title='run'">`;
    const network = { fq_name: [...project, name], parent_type: "project", display_name: `${name}${"x".repeat(10_000)}` };
    const made = await api(base, "POST", "/virtual-networks", { "virtual-network": network });
    const page = await open(browser, { baseURL: base });
    for (const path of ["/ui/type/virtual-network", `/ui/object/virtual-network/${made["virtual-network"].uuid}`]) {
        await page.goto(path);
        assert.equal(await page.locator("img").count(), 0, path);
        assert.ok((await page.locator("main").innerText()).includes(name), path);
        assert.doesNotMatch(await page.title(), /^run$/);
        const { wide, screen } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, screen: innerWidth }));
        assert.ok(wide <= screen, path);
    }
    quiet(page);
}

/** Has no serious fault on any page. A page that is added is added here. */
async function isAccessible(browser) {
    const list = await api(base, "GET", "/virtual-networks");
    const uuid = list["virtual-networks"].at(-1).uuid;
    const page = await open(browser, { baseURL: base });
    for (const path of [
        "/ui/types",
        "/ui/type/virtual-network",
        "/ui/type/virtual-network?property=display_name&equals=nothing",
        "/ui/type/routing-instance",
        "/ui/tree",
        `/ui/object/virtual-network/${uuid}`,
        `/ui/history/virtual-network/${uuid}`,
        "/ui/object/virtual-network/11111111-1111-4111-8111-111111111111",
        "/ui/nothing",
    ]) {
        await accessible(page, path);
    }
    quiet(page);
}

/** Signs in as a member, sees what is its own and nothing else, and signs out. */
async function signsIn(browser, [token, other, uuid]) {
    const page = await open(browser, { baseURL: base });
    await accessible(page, "/ui/sign-in");
    await page.goto(`/ui/object/virtual-network/${uuid}`);
    await page.getByLabel("Token", { exact: true }).fill("nobody's");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Token", { exact: true }).fill(token);
    await page.getByRole("button", { name: "Sign in" }).click();
    // It leads to where one wanted to go.
    await page.waitForURL(`**/ui/object/virtual-network/${uuid}`);
    await page.getByRole("heading", { name: "virtual network" }).waitFor();
    await page.locator("#live", { hasText: "live" }).waitFor();
    await page.goto("/ui/type/virtual-network");
    assert.equal(await page.locator(`a[href$="${uuid}"]`).count(), 1);
    await accessible(page, "/ui/tree");
    assert.equal(await page.evaluate(() => document.cookie), "", "scripts do not see the session");
    // A link from elsewhere leads there, too, though the cookie does not come along with it.
    await page.route("http://elsewhere.example/", (route) =>
        route.fulfill({ contentType: "text/html", body: `<a href="${base}/ui/type/virtual-network">there</a>` }));
    await page.goto("http://elsewhere.example/");
    await page.getByRole("link", { name: "there" }).click();
    await page.waitForURL("**/ui/type/virtual-network");
    await page.getByRole("heading", { name: "Virtual networks" }).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("**/ui/sign-in");
    await page.goto("/ui/types");
    await page.waitForURL("**/ui/sign-in?*");
    quiet(page);

    const stranger = await open(browser, { baseURL: base });
    await stranger.goto("/ui/sign-in");
    await stranger.getByLabel("Token", { exact: true }).fill(other);
    await stranger.getByRole("button", { name: "Sign in" }).click();
    await stranger.waitForURL((url) => url.pathname !== "/ui/sign-in");
    await stranger.goto("/ui/type/virtual-network");
    assert.equal(await stranger.locator(`a[href$="${uuid}"]`).count(), 0);
    const refused = await stranger.goto(`/ui/object/virtual-network/${uuid}`);
    assert.equal(refused.status(), 403);
    await stranger.getByRole("heading", { name: "Not allowed" }).waitFor();
    quiet(stranger);
}

const browser = await start();
try {
    if (tokens.length > 0) {
        await signsIn(browser, tokens);
    } else {
        await saysThatItHasChanged(await followsReferences(browser));
        await showsMarkup(browser);
        await isAccessible(browser);
    }
} finally {
    await browser.close();
}
