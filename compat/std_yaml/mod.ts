// Stands in for jsr:@std/yaml, so that a build needs no registry but npm's; js-yaml is what @std/yaml
// was made from.
export { dump as stringify, load as parse } from "npm:js-yaml@4";
