import { open, start } from "./browser.js";
const [base, N, POL] = process.argv.slice(2);
const b = await start();
for (const [k,o] of Object.entries({light:{viewport:{width:1280,height:800}},dark:{viewport:{width:1280,height:800},colorScheme:"dark"},phone:{viewport:{width:400,height:800}}})) {
  const p = await open(b,{baseURL:base,...o});
  await p.goto(`/ui/edit/virtual-network/${N}`);
  await p.locator("[name='f/mtu']").fill("100000");
  await p.locator("[name='f/display_name']").fill("Web tier, new");
  await p.getByRole("button",{name:"Show the difference"}).click();
  await p.locator("#refusal").waitFor();
  await p.screenshot({path:`/tmp/forms-data/shots/wrong-${k}.png`});
  await p.locator("#refusal a").first().click();
  await p.screenshot({path:`/tmp/forms-data/shots/wrongat-${k}.png`});
  await p.locator("[name='f/mtu']").fill("9000");
  await fetch(`${base}/virtual-network/${N}`,{method:"PUT",headers:{"Content-Type":"application/json"},body:JSON.stringify({"virtual-network":{display_name:"Web "+k,fabric_snat:k!="dark"}})});
  await p.getByRole("button",{name:"Show the difference"}).click();
  await p.locator("#meanwhile").waitFor();
  await p.locator(".request summary").click();
  await p.screenshot({path:`/tmp/forms-data/shots/meanwhile-${k}.png`,fullPage:true});
}
await b.close();
