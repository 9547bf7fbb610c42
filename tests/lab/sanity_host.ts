/**
 * On the host, before the guest of sanity_test.ts boots: csi-sanity is built here, as the guest has
 * neither network nor Go.
 */
import { sanityProgram, whyNoSanity } from "../conformance/sanity.ts";
import { skip } from "../skips.ts";

const reason = await whyNoSanity();
if (reason === undefined) await sanityProgram();
else skip("csi-sanity over iSCSI and NFS", reason);
