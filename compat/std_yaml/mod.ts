// Stands in for jsr:@std/yaml where only the npm registry is reachable; js-yaml is what @std/yaml
// was made from.
export { dump as stringify, load as parse } from "npm:js-yaml@4";
