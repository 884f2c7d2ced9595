// What a browser makes of the pages: node pages.js <base> [<token of a member> <token of another one> <uuid of a network of the first>]
import assert from "node:assert/strict";
import { accessible, api, faults, open, quiet, start } from "./browser.js";

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

/** Draws networks, and what is between them, while somebody looks; finds in the picture, and opens the ports of a network. */
async function drawsNetworks(browser) {
    const place = ["default-domain", "drawn"];
    await api(base, "POST", "/projects", { project: { fq_name: place, parent_type: "domain" } });
    const network = async (name, prefix) => {
        const ipam = { to: [...project, "default-network-ipam"], attr: { ipam_subnets: [{ subnet: { ip_prefix: prefix, ip_prefix_len: 24 } }] } };
        const body = { fq_name: [...place, name], parent_type: "project", network_ipam_refs: [ipam] };
        return (await api(base, "POST", "/virtual-networks", { "virtual-network": body }))["virtual-network"].uuid;
    };
    const first = await network("shown-at-once", "10.20.0.0");
    const page = await open(browser, { baseURL: base });
    await page.goto("/ui/networks?project=default-domain:drawn");
    await page.locator("#live", { hasText: /^live$/ }).waitFor();
    await page.evaluate(() => { window.isSamePage = true; });
    const card = (uuid) => page.locator(`#picture [data-uuid="${uuid}"]`);
    assert.equal(await card(first).count(), 1);
    // Somebody makes a second one, in a shell: it appears.
    const second = await network("made-in-a-shell", "10.21.0.0");
    await card(second).waitFor();
    await page.locator(".networks h3", { hasText: "made-in-a-shell" }).waitFor();
    await page.locator("#news", { hasText: "made-in-a-shell" }).waitFor({ state: "attached" });
    // And lets the two talk.
    const all = [{ start_port: -1, end_port: -1 }];
    const end = (name) => [{ virtual_network: [...place, name].join(":") }];
    const rule = {
        direction: ">", protocol: "tcp", action_list: { simple_action: "pass" }, src_ports: all, dst_ports: [{ start_port: 443, end_port: 443 }],
        src_addresses: end("shown-at-once"), dst_addresses: end("made-in-a-shell"),
    };
    const policy = { fq_name: [...place, "talk"], parent_type: "project", network_policy_entries: { policy_rule: [rule] } };
    await api(base, "POST", "/network-policys", { "network-policy": policy });
    const refs = { network_policy_refs: [{ to: policy.fq_name, attr: { sequence: { major: 1, minor: 0 } } }] };
    for (const uuid of [first, second]) await api(base, "PUT", `/virtual-network/${uuid}`, { "virtual-network": refs });
    await page.locator("#picture path.line.policy[marker-end]").waitFor({ state: "attached" });
    await page.locator("#picture .label", { hasText: "tcp 443" }).waitFor();
    // A port opens in the box of its network, and below the picture, with its address.
    const port = { fq_name: [...place, "a-port"], parent_type: "project", virtual_network_refs: [{ to: [...place, "made-in-a-shell"] }] };
    await api(base, "POST", "/virtual-machine-interfaces", { "virtual-machine-interface": port });
    const address = { fq_name: ["drawn-address"], virtual_network_refs: port.virtual_network_refs, virtual_machine_interface_refs: [{ to: port.fq_name }] };
    await api(base, "POST", "/instance-ips", { "instance-ip": { ...address, instance_ip_address: "10.21.0.7" } });
    await card(second).getByRole("link", { name: "1 port of made-in-a-shell" }).click();
    await page.locator("#ports-table", { hasText: "10.21.0.7" }).waitFor();
    assert.match(page.url(), /open=.*#ports$/);
    const own = card(second).getByRole("link", { name: "port a-port 10.21.0.7" });
    await own.waitFor();
    const boxes = [await card(second).locator("rect").first().boundingBox(), await own.boundingBox()];
    assert.ok(boxes[1].y + boxes[1].height <= boxes[0].y + boxes[0].height, "the port is in the box");
    const toggle = card(second).getByRole("link", { name: "1 port of made-in-a-shell", expanded: true });
    assert.ok(await toggle.evaluate((link) => link === document.activeElement), "the focus stays where it was");
    await toggle.press("Enter");
    await page.locator("#ports-table").waitFor({ state: "detached" });
    assert.equal(await own.count(), 0);
    // What is typed is found, by name and by subnet.
    await page.getByLabel("Find in it").fill("10.21.");
    assert.deepEqual([await page.locator("#picture .hit").count(), await page.locator("#picture .dim").count()], [1, 1]);
    await page.locator("#picture .hit .name", { hasText: "made-in-a-shell" }).waitFor();
    await page.getByLabel("Find in it").fill("");
    assert.ok(await page.evaluate(() => window.isSamePage), "the page was not loaded anew");
    // One that is deleted goes.
    const other = await network("gone-soon", "10.22.0.0");
    await card(other).waitFor();
    await api(base, "DELETE", `/virtual-network/${other}`);
    await card(other).waitFor({ state: "detached" });
    // What is connected is one box, if one wants that, and is found by what is in it.
    const folded = await open(browser, { baseURL: base });
    await folded.goto("/ui/networks?project=default-domain:drawn&view=connected");
    await folded.getByLabel("Find in it").fill("10.21.");
    await folded.locator("#picture .hit").getByRole("link", { name: "+ 1, 2 networks" }).click();
    await folded.locator("#summary", { hasText: "2 networks that are connected with each other · 1 port" }).waitFor();
    assert.equal(await folded.locator("#picture path.line.policy").count(), 1);
    quiet(folded);
    // Around one are its neighbours; a phone gets the list alone.
    await card(second).getByRole("link", { name: /^made-in-a-shell/ }).click();
    await page.getByRole("heading", { name: "Networks around made-in-a-shell" }).waitFor();
    assert.equal(await card(first).count(), 1);
    await page.getByRole("link", { name: "alone", exact: true }).click();
    await page.waitForURL("**steps=0");
    assert.equal(await card(first).count(), 0);
    await page.setViewportSize({ width: 400, height: 800 });
    assert.equal(await page.locator("#picture").isVisible(), false);
    await page.locator(".networks h3", { hasText: "made-in-a-shell" }).waitFor();
    quiet(page);
}

/** The control that is named so in the form. */
const control = (page, name) => page.locator(`[name="${name}"]:not([type=hidden])`);

async function made(collection, type, object) {
    return (await api(base, "POST", `/${collection}`, { [type]: { parent_type: "project", ...object } }))[type].uuid;
}

const readNetwork = async (uuid) => (await api(base, "GET", `/virtual-network/${uuid}`))["virtual-network"];

/** Has a value refused, at its field; mends it; saves, and sends no more than what was changed. */
async function savesWhatWasRefused(browser) {
    const uuid = await made("virtual-networks", "virtual-network", { fq_name: [...project, "refused"], display_name: "before" });
    const page = await open(browser, { baseURL: base });
    await page.goto(`/ui/object/virtual-network/${uuid}`);
    await page.getByRole("link", { name: "Edit" }).click();
    const mtu = control(page, "f/mtu");
    await mtu.fill("100000");
    await page.getByLabel("Display name").fill("after <b>");
    await mtu.press("Enter");
    // What is wrong has the focus, says so at the field, and leads there.
    await page.getByRole("heading", { name: "Nothing was saved" }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "refusal");
    assert.equal(await mtu.getAttribute("aria-invalid"), "true");
    const described = (await mtu.getAttribute("aria-describedby")).split(" ");
    const said = await page.evaluate((ids) => ids.map((id) => document.getElementById(id).textContent).join(" "), described);
    assert.match(said, /between 0 and 9216/);
    assert.equal(await page.getByLabel("Display name").inputValue(), "after <b>");
    assert.equal((await readNetwork(uuid)).display_name, "before");
    await page.locator("#refusal").getByRole("link", { name: "Mtu" }).press("Enter");
    await mtu.fill("9000");
    await page.getByRole("button", { name: "Show the difference" }).click();
    await page.getByRole("heading", { name: "Save this virtual network?" }).waitFor();
    assert.deepEqual(await page.locator(".difference dt").allInnerTexts(), ["mtu", "display name"]);
    assert.deepEqual(await page.locator(".difference ins").allInnerTexts(), ["9000", "after <b>"]);
    const curl = await page.locator(".request pre").textContent();
    assert.ok(curl.includes(`-d '{"virtual-network":{"mtu":9000,"display_name":"after <b>"}}'`), curl);
    assert.equal((await readNetwork(uuid)).display_name, "before");
    await page.getByRole("button", { name: "Save" }).click();
    await page.waitForURL(`**/ui/object/virtual-network/${uuid}`);
    const network = await readNetwork(uuid);
    assert.deepEqual([network.mtu, network.display_name], [9000, "after <b>"]);
    quiet(page);
    return uuid;
}

/** Tells the second of two editors what the first has done; then it goes on. */
async function tellsTheSecondEditor(browser, uuid) {
    const [first, second] = [await open(browser, { baseURL: base }), await open(browser, { baseURL: base })];
    for (const page of [first, second]) await page.goto(`/ui/edit/virtual-network/${uuid}`);
    await first.getByLabel("Display name").fill("of the first");
    await first.getByLabel("Fabric snat").selectOption("true");
    await second.getByLabel("Display name").fill("of the second");
    await second.getByRole("button", { name: "Show the difference" }).click();
    await first.getByRole("button", { name: "Show the difference" }).click();
    await first.getByRole("button", { name: "Save" }).click();
    await first.waitForURL("**/ui/object/**");
    // The second has seen its difference before, and saves.
    await second.getByRole("button", { name: "Save" }).click();
    const told = second.locator("#meanwhile");
    await told.waitFor();
    assert.match(await told.innerText(), /You have both changed: display name/);
    assert.deepEqual(await told.locator("ins").allInnerTexts(), ["yes", "of the first"].map((text) => text.replace("yes", "true")));
    assert.equal((await readNetwork(uuid)).display_name, "of the first");
    await second.getByRole("button", { name: "Save" }).click();
    await second.waitForURL("**/ui/object/**");
    const network = await readNetwork(uuid);
    assert.deepEqual([network.display_name, network.fabric_snat], ["of the second", true]);
    // One that is gone is told, with what was to be saved.
    await first.goto(`/ui/edit/virtual-network/${uuid}`);
    await first.getByLabel("Display name").fill("too late");
    await api(base, "DELETE", `/virtual-network/${uuid}`);
    await first.getByRole("button", { name: "Show the difference" }).click();
    await first.getByRole("heading", { name: "Not there any more" }).waitFor();
    assert.match(await first.locator("main").innerText(), /too late/);
    for (const page of [first, second]) quiet(page);
}

/** Deletes only what nobody needs, and says first who does and what goes with it. */
async function explainsWhatCanNotBeDeleted(browser) {
    const policy = await made("network-policys", "network-policy", { fq_name: [...project, "needed"] });
    const refs = [{ to: [...project, "needed"], attr: { sequence: { major: 0, minor: 0 } } }];
    const uuid = await made("virtual-networks", "virtual-network", { fq_name: [...project, "needs-it"], network_policy_refs: refs });
    const page = await open(browser, { baseURL: base });
    await page.goto(`/ui/object/network-policy/${policy}`);
    await page.getByRole("link", { name: "Delete" }).click();
    await page.getByRole("heading", { name: "It can't be deleted" }).waitFor();
    assert.equal(await page.getByRole("button", { name: "Delete it" }).count(), 0);
    await page.locator("#refusal").getByRole("link", { name: "needs-it" }).click();
    await page.getByRole("link", { name: "Edit" }).click();
    await page.getByRole("button", { name: "Remove Network policy 1" }).click();
    await page.getByRole("button", { name: "Remove Network policy 1" }).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Show the difference" }).click();
    await page.getByRole("button", { name: "Save" }).click();
    await page.waitForURL("**/ui/object/**");
    // Somebody has changed it since the page was made: it is looked at again first.
    await page.goto(`/ui/delete/network-policy/${policy}`);
    await api(base, "PUT", `/network-policy/${policy}`, { "network-policy": { display_name: "still wanted" } });
    await page.getByRole("button", { name: "Delete it" }).click();
    await page.getByRole("alert").filter({ hasText: "It has changed since you looked at it" }).waitFor();
    await page.getByRole("button", { name: "Delete it" }).click();
    await page.waitForURL("**/ui/type/network-policy");
    await page.goto(`/ui/delete/virtual-network/${uuid}`);
    assert.match(await page.locator("main").innerText(), /What goes with it\s+needs-it routing instance/);
    await page.getByRole("button", { name: "Delete it" }).click();
    await page.waitForURL("**/ui/type/virtual-network");
    quiet(page);
}

/** Makes a network with a subnet and a policy by the keyboard alone; with scripts, and without them. */
async function createsByKeyboard(browser, javaScriptEnabled) {
    const name = javaScriptEnabled ? "typed" : "typed-without-scripts";
    const octet = javaScriptEnabled ? 1 : 2;
    await made("network-policys", "network-policy", { fq_name: [...project, `${name}-policy`] });
    const page = await open(browser, { baseURL: base, javaScriptEnabled });
    await page.goto("/ui/type/virtual-network");
    const focused = () => page.locator(":focus");
    const goTo = async (target) => {
        const wanted = await target.elementHandle();
        for (let steps = 0; steps < 200; steps++) {
            if (await focused().count() && await focused().evaluate((here, there) => here === there, wanted)) return;
            await page.keyboard.press("Tab");
        }
        assert.fail("the keyboard does not get there");
    };
    const press = async (target) => { await goTo(target); await page.keyboard.press("Enter"); };
    await press(page.getByRole("link", { name: "Create" }));
    await page.waitForURL("**/ui/create/virtual-network");
    // It begins where one types.
    await page.waitForFunction(() => document.activeElement.name === "name").catch(() => {});
    await page.keyboard.type(name);
    const below = control(page, "parent");
    await goTo(below);
    await below.press("Control+A");
    await page.keyboard.type(project.join(":"));
    await press(page.getByRole("button", { name: "Add to Network ipam" }));
    const ipam = control(page, "f/network_ipam_refs/0/to");
    await ipam.waitFor();
    await page.locator("[name='f/network_ipam_refs/0/to']:focus").waitFor();
    await page.keyboard.type(`${project.join(":")}:default-network-ipam`);
    await goTo(control(page, "f/network_ipam_refs/0/attr/ipam_subnets/0/subnet"));
    await page.keyboard.type(`10.77.${octet}.0/24`);
    await press(page.getByRole("button", { name: "Add to Network policy" }));
    await page.locator("[name='f/network_policy_refs/0/to']:focus").waitFor();
    // What is in the same project is known by its own name.
    await page.keyboard.type(`${name}-policy`);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Create this virtual network?" }).waitFor();
    await press(page.getByRole("button", { name: "Create" }));
    await page.waitForURL("**/ui/object/virtual-network/*");
    const network = await readNetwork(page.url().split("/").pop());
    assert.deepEqual(network.fq_name, [...project, name]);
    assert.deepEqual(network.network_policy_refs.map(({ to, attr }) => [to.at(-1), attr.sequence]), [[`${name}-policy`, { major: 0, minor: 0 }]]);
    const [{ subnet }] = network.network_ipam_refs[0].attr.ipam_subnets;
    assert.deepEqual(subnet, { ip_prefix: `10.77.${octet}.0`, ip_prefix_len: 24 });
    quiet(page);
}

/** Finds who has an address, by keyboard alone, and arrives at its port; the picture of the subnet leads there, too. */
async function findsAddress(browser) {
    const subnet = { subnet: { ip_prefix: "10.8.0.0", ip_prefix_len: 28 } };
    const ipam = { to: [...project, "default-network-ipam"], attr: { ipam_subnets: [subnet] } };
    const network = { fq_name: [...project, "found"], parent_type: "project", network_ipam_refs: [ipam] };
    const made = await api(base, "POST", "/virtual-networks", { "virtual-network": network });
    const refs = [{ to: network.fq_name }];
    const port = { fq_name: [...project, "found-port"], parent_type: "project", virtual_network_refs: refs };
    await api(base, "POST", "/virtual-machine-interfaces", { "virtual-machine-interface": port });
    const address = { fq_name: ["found-address"], instance_ip_address: "10.8.0.5", virtual_network_refs: refs, virtual_machine_interface_refs: [{ to: port.fq_name }] };
    await api(base, "POST", "/instance-ips", { "instance-ip": address });

    const page = await open(browser, { baseURL: base });
    await page.goto("/ui/types");
    await page.keyboard.press("/");
    await page.keyboard.type("10.8.0.5");
    await page.getByRole("option", { name: "found-port" }).waitFor();
    assert.deepEqual(await faults(page), [], "with the list open");
    await page.keyboard.press("ArrowDown");
    assert.equal(await page.getByRole("option", { selected: true }).count(), 1);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "found-port" }).waitFor();

    // Without an entry that is chosen, Enter leads to all that fits.
    await page.getByRole("combobox", { name: "Search" }).fill("found-");
    await page.getByRole("option", { name: "found-address" }).waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await page.getByRole("listbox").count(), 0);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/ui/search?q=found-");
    await page.getByRole("link", { name: "found-port" }).waitFor();

    await page.goto(`/ui/object/virtual-network/${made["virtual-network"].uuid}`);
    await page.getByRole("link", { name: "Addresses", exact: true }).last().click();
    await page.locator("a.cell.used", { hasText: "5" }).click();
    await page.getByRole("heading", { name: "found-port" }).waitFor();
    quiet(page);
    return made["virtual-network"].uuid;
}

/** Shows a change that was made in a shell, nothing while it pauses, and after that what came meanwhile. */
async function tellsWhatHappens(browser) {
    const make = (name) => api(base, "POST", "/virtual-networks", { "virtual-network": { fq_name: [...project, name], parent_type: "project" } });
    const page = await open(browser, { baseURL: base });
    await page.goto("/ui/changes?type=virtual-network");
    await page.locator("#live", { hasText: "live" }).waitFor();
    await make("told-at-once");
    const row = (name) => page.locator("#changes tbody tr", { hasText: name });
    await row("told-at-once").waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator("#live", { hasText: "paused" }).waitFor();
    const other = await open(browser, { baseURL: base });
    await other.goto("/ui/changes?type=virtual-network");
    await other.locator("#live", { hasText: "live" }).waitFor();
    await make("told-later");
    // By the time that another one has it, this one would have it, too, or soon after that.
    await other.locator("#changes tbody tr", { hasText: "told-later" }).waitFor();
    assert.equal(await row("told-later").count(), 0);
    await page.getByRole("button", { name: "Go on" }).click();
    await row("told-later").waitFor();
    assert.equal(await row("told-at-once").count(), 1, "once");
    assert.match(await page.locator("#changes tbody tr").first().innerText(), /told-later/);
    // Types that were not asked for are not there; names of what is told are links.
    assert.equal(await page.locator("#changes tbody tr", { hasText: "routing instance" }).count(), 0);
    await row("told-later").getByRole("link").click();
    await page.getByRole("heading", { name: "told-later" }).waitFor();
    quiet(page);
    quiet(other);
}

/** Has no serious fault on any page. A page that is added is added here. */
async function isAccessible(browser, addressed) {
    const list = await api(base, "GET", "/virtual-networks");
    const uuid = list["virtual-networks"].at(-1).uuid;
    const page = await open(browser, { baseURL: base });
    for (const path of [
        "/ui/types",
        "/ui/type/virtual-network",
        "/ui/type/virtual-network?property=display_name&equals=nothing",
        "/ui/type/routing-instance",
        "/ui/tree",
        "/ui/networks",
        "/ui/networks?view=connected",
        "/ui/networks?project=default-domain:drawn",
        `/ui/networks?around=${addressed}&steps=2&open=${addressed}`,
        "/ui/search",
        "/ui/search?q=found",
        "/ui/addresses",
        "/ui/addresses?of=network-ipam",
        `/ui/addresses/virtual-network/${addressed}`,
        "/ui/changes",
        "/ui/changes?project=nothing",
        `/ui/object/virtual-network/${uuid}`,
        `/ui/history/virtual-network/${uuid}`,
        `/ui/edit/virtual-network/${uuid}`,
        "/ui/create/network-policy",
        "/ui/create/virtual-machine-interface",
        `/ui/delete/virtual-network/${uuid}`,
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
        await drawsNetworks(browser);
        await showsMarkup(browser);
        await tellsTheSecondEditor(browser, await savesWhatWasRefused(browser));
        await explainsWhatCanNotBeDeleted(browser);
        await createsByKeyboard(browser, true);
        await createsByKeyboard(browser, false);
        const addressed = await findsAddress(browser);
        await tellsWhatHappens(browser);
        await isAccessible(browser, addressed);
    }
} finally {
    await browser.close();
}
