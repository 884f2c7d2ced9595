// A network's life through the client that openapi-typescript and openapi-fetch make of the document.
//
//     node network.js URL

import createClient from "openapi-fetch";
import type { components, paths } from "./cirrus.js";

declare const process: { argv: string[] };

type Network = components["schemas"]["VirtualNetwork"];

const name = ["default-domain", "default-project", "through-the-typescript-client"];
const client = createClient<paths>({ baseUrl: process.argv[2]! });

function expect(holds: boolean, seen: unknown): asserts holds {
    if (!holds) {
        throw new Error(`not expected: ${JSON.stringify(seen)}`);
    }
}

const network: components["schemas"]["VirtualNetworkCreate"] = {
    fq_name: name,
    parent_type: "project",
    network_ipam_refs: [
        {
            to: ["default-domain", "default-project", "default-network-ipam"],
            attr: { ipam_subnets: [{ subnet: { ip_prefix: "10.8.0.0", ip_prefix_len: 24 } }] },
        },
    ],
};
const created = await client.POST("/virtual-networks", { body: { "virtual-network": network } });
expect(created.data !== undefined, created.error);
const uuid = created.data["virtual-network"].uuid;
const path = { params: { path: { uuid } } };

const again = await client.POST("/virtual-networks", { body: { "virtual-network": network }, parseAs: "text" });
expect(again.response.status === 409 && (again.error ?? "").includes(uuid), again.error);

const listed = await client.GET("/virtual-networks", { params: { query: { obj_uuids: uuid, fields: "display_name" } } });
const items = listed.data?.["virtual-networks"];
expect(Array.isArray(items), listed.error);
expect((items[0] as Network).display_name === name[2], items);

const read = await client.GET("/virtual-network/{uuid}", path);
const subnet = read.data?.["virtual-network"].network_ipam_refs?.[0]?.attr?.ipam_subnets?.[0];
expect(subnet?.default_gateway === "10.8.0.254", read);

const change = { body: { "virtual-network": { display_name: "Changed" } } };
const updated = await client.PUT("/virtual-network/{uuid}", { ...path, ...change });
expect(updated.response.status === 200, updated.error);
const changed = await client.GET("/virtual-network/{uuid}", path);
expect(changed.data?.["virtual-network"].display_name === "Changed", changed);

const deleted = await client.DELETE("/virtual-network/{uuid}", { ...path, parseAs: "text" });
expect(deleted.response.status === 200, deleted.error);
const gone = await client.GET("/virtual-network/{uuid}", path);
expect(gone.response.status === 404, gone);
