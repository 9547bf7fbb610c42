{{/*
Looks at all values at once, by files/keys.json, which is made from the table of keys that the
program itself uses. The schema holds types and typos only, because it can say no mend.

  pso.report     the values' problems, and notes for NOTES.txt, as JSON
  pso.validate   fails with all problems in one message
*/}}

{{- define "pso.validate" -}}
{{- $report := include "pso.report" . | fromJson -}}
{{- with $report.problems -}}
{{- $head := ternary "1 problem" (printf "%d problems" (len .)) (eq (len .) 1) -}}
{{- fail (printf "\n\nThe values hold %s:\n  - %s\nNothing was changed. The keys are listed in docs/configuration.md." $head (join "\n  - " .)) -}}
{{- end -}}
{{- end -}}

{{- define "pso.report" -}}
{{- $table := .Files.Get "files/keys.json" | fromJson -}}
{{- $state := dict "problems" list "unknown" list "old" list "useless" list "notes" list "given" dict -}}
{{- $values := .Values -}}
{{- include "pso.report.tree" (dict "tree" $values "parent" "" "table" $table "state" $state) -}}
{{- include "pso.report.clusterID" (dict "values" $values "limits" $table.limits "state" $state) -}}
{{- include "pso.report.arrays" (dict "arrays" (get $values "arrays") "table" $table "state" $state) -}}
{{- include "pso.report.nodeLabels" (dict "values" $values "table" $table "state" $state) -}}
{{- include "pso.report.lists" (dict "values" $values "state" $state) -}}
{{- include "pso.report.together" (dict "values" $values "state" $state) -}}
{{- $clean := dict -}}
{{- range $list := list "problems" "unknown" "old" "useless" "notes" -}}
{{- $texts := list -}}
{{- range get $state $list -}}
{{- $texts = append $texts (include "pso.report.withoutTokens" .) -}}
{{- end -}}
{{- $_ := set $clean $list $texts -}}
{{- end -}}
{{- toJson $clean -}}
{{- end -}}

{{/* No message may hold a token, wherever it stood. */}}
{{- define "pso.report.withoutTokens" -}}
{{- regexReplaceAll "(?i)(T-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}" (toString .) "[a token]" -}}
{{- end -}}

{{/* A value as a message may show it. */}}
{{- define "pso.report.shown" -}}
{{- if kindIs "invalid" . -}}nothing
{{- else if kindIs "slice" . -}}a list
{{- else if kindIs "map" . -}}a mapping
{{- else if kindIs "string" . -}}{{- $text := include "pso.report.withoutTokens" . -}}
{{- ternary (printf "%q" $text) (printf "\"%s…\"" (trunc 60 $text)) (le (len $text) 60) -}}
{{- else if kindIs "bool" . -}}{{- . -}}
{{- else -}}the number {{ . -}}
{{- end -}}
{{- end -}}

{{/* state, path, found, and wanted and mend if there are any. */}}
{{- define "pso.report.problem" -}}
{{- $text := printf "%s %s" .path .found -}}
{{- with .wanted -}}{{- $text = printf "%s, wanted %s" $text . -}}{{- end -}}
{{- with .mend -}}{{- $text = printf "%s: %s" $text . -}}{{- end -}}
{{- $_ := set .state "problems" (append .state.problems $text) -}}
{{- end -}}

{{/* A whole number as digits; anything else as it is. */}}
{{- define "pso.report.digits" -}}
{{- if and (kindIs "float64" .) (eq (floor .) (float64 .)) -}}{{- printf "%.0f" . -}}
{{- else -}}{{- toString . | trim -}}
{{- end -}}
{{- end -}}

{{/* Characters as the program counts them (UTF-16): of a text, or of all texts of a list with a blank between two of them. */}}
{{- define "pso.report.chars" -}}
{{- regexReplaceAll "[\\x{10000}-\\x{10FFFF}]" (join " " .) "xx" | splitList "" | len -}}
{{- end -}}

{{/* state, path, value, and most: tells a text, or a list of texts, that is longer than the program reads. */}}
{{- define "pso.report.tooLong" -}}
{{- $chars := include "pso.report.chars" .value | int -}}
{{- if gt $chars (int .most) -}}
{{- include "pso.report.problem" (dict "state" .state "path" .path "found" (printf "has %d characters" $chars) "wanted" (printf "at most %d" (int .most)) "mend" "write a shorter one") -}}
{{- end -}}
{{- end -}}

{{/* Every value of the tree: known keys are checked, unknown ones are noted. */}}
{{- define "pso.report.tree" -}}
{{- $in := . -}}
{{- range $name, $value := .tree -}}
{{- $path := printf "%s%s" $in.parent $name -}}
{{- $canonical := get $in.table.spellings $path -}}
{{- if or (eq $path "arrays") (kindIs "invalid" $value) -}}
{{- else if $canonical -}}
{{- include "pso.report.key" (dict "canonical" $canonical "path" $path "value" $value "key" (get $in.table.keys $canonical) "limits" $in.table.limits "state" $in.state) -}}
{{- else if hasKey $in.table.branches $path -}}
{{- if kindIs "map" $value -}}
{{- include "pso.report.tree" (dict "tree" $value "parent" (printf "%s." $path) "table" $in.table "state" $in.state) -}}
{{- else if not (eq (toString $value) "") -}}
{{- include "pso.report.problem" (dict "state" $in.state "path" $path "found" (printf "is %s" (include "pso.report.shown" $value)) "wanted" "a mapping of keys" "mend" "docs/configuration.md shows what stands below it") -}}
{{- end -}}
{{- else -}}
{{- $near := get $in.table.near (lower $path) | default (get $in.table.near (lower $name) | default "") -}}
{{- range $known, $key := $in.table.near -}}
{{- /* A letter or two too few or too many at the end. */ -}}
{{- $isLike := or (hasPrefix (lower $path) $known) (hasPrefix $known (lower $path)) -}}
{{- if and (not $near) $isLike (contains "." $known) (lt (sub (len $known) (len $path) | mul (sub (len $known) (len $path)) | int) 5) -}}
{{- $near = $key -}}
{{- end -}}
{{- end -}}
{{- $advice := ternary (printf "did you mean %s?" $near) "it has no effect" (ne $near "") -}}
{{- $_ := set $in.state "unknown" (append $in.state.unknown (printf "%s is not a known key: %s" $path $advice)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pso.report.key" -}}
{{- $key := .key -}}
{{- $isSet := not (or (eq (toString .value) "") (and (kindIs "map" .value) (eq (len .value) 0)) (and (kindIs "slice" .value) (eq (len .value) 0))) -}}
{{- if and $isSet (ne .path .canonical) (ne $key.usedBy "nobody") -}}
{{- $_ := set .state "old" (append .state.old (printf "%s (now %s)" .path .canonical)) -}}
{{- end -}}
{{- if and $isSet (eq $key.usedBy "nobody") -}}
{{- $_ := set .state "useless" (append .state.useless (printf "%s: %s" .path $key.meaning)) -}}
{{- end -}}
{{- if $isSet -}}
{{- include "pso.report.twice" . -}}
{{- $found := printf "is %s" (include "pso.report.shown" .value) -}}
{{- $digits := include "pso.report.digits" .value -}}
{{- $problem := dict "state" .state "path" .path "found" $found -}}
{{- if eq $key.type "switch" -}}
{{- if not (has (lower $digits) (list "true" "false" "yes" "no" "on" "off" "1" "0")) -}}
{{- include "pso.report.problem" (merge (dict "wanted" "true or false" "mend" "write one of the two, without quotes") $problem) -}}
{{- end -}}
{{- else if eq $key.type "choice" -}}
{{- if not (has (lower $digits) $key.words) -}}
{{- include "pso.report.problem" (merge (dict "wanted" $key.wanted "mend" "write one of these, in letters of any case") $problem) -}}
{{- end -}}
{{- else if eq $key.type "integer" -}}
{{- $isNumber := regexMatch "^-?[0-9]{1,9}$" $digits -}}
{{- $isInside := and $isNumber (or (not (hasKey $key "least")) (and (ge (int $digits) (int $key.least)) (le (int $digits) (int $key.most)))) -}}
{{- if not $isInside -}}
{{- include "pso.report.problem" (merge (dict "wanted" $key.wanted "mend" "write a whole number within these bounds") $problem) -}}
{{- end -}}
{{- else if and (eq $key.type "text") $key.pattern -}}
{{- if not (regexMatch $key.pattern $digits) -}}
{{- $wanted := get (dict "^/" "a path that begins with /" "^sha256:[0-9a-f]{64}$" "sha256: and 64 hexadecimal digits") $key.pattern | default (printf "a text like %s" $key.pattern) -}}
{{- include "pso.report.problem" (merge (dict "wanted" $wanted "mend" "write it in full") $problem) -}}
{{- end -}}
{{- else if eq $key.type "cidrs" -}}
{{- include "pso.report.cidrs" . -}}
{{- end -}}
{{- with $key.chars -}}
{{- include "pso.report.tooLong" (dict "state" $.state "path" $.path "value" $.value "most" .) -}}
{{- end -}}
{{- if eq $key.type "words" -}}{{- include "pso.report.quotes" . -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Words as on a command line: a quote that is never closed. */}}
{{- define "pso.report.quotes" -}}
{{- $in := . -}}
{{- range $text := (kindIs "slice" .value | ternary .value (list .value)) -}}
{{- if regexMatch "[\"']" (regexReplaceAll "\"[^\"]*\"|'[^']*'" (toString $text) "") -}}
{{- include "pso.report.problem" (dict "state" $in.state "path" $in.path "found" (printf "is %s" (include "pso.report.shown" $text)) "wanted" "a text or a list of texts, with every quote closed" "mend" "close the quote, or take it away") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Names of labels that count as topology. */}}
{{- define "pso.report.nodeLabels" -}}
{{- $in := . -}}
{{- $path := "storagetopology.nodeLabels" -}}
{{- $labels := include "pso.nodeLabels" .values | fromJsonArray -}}
{{- if gt (len $labels) (int .table.limits.nodeLabels) -}}
{{- include "pso.report.problem" (dict "state" .state "path" $path "found" (printf "names %d labels" (len $labels)) "wanted" (printf "at most %d" (int .table.limits.nodeLabels)) "mend" "keep those that say where a node is") -}}
{{- end -}}
{{- range $label := $labels -}}
{{- if not (regexMatch $in.table.patterns.label $label) -}}
{{- include "pso.report.problem" (dict "state" $in.state "path" $path "found" (printf "holds %s" (include "pso.report.shown" $label)) "wanted" "names of labels, such as topology.kubernetes.io/zone" "mend" "write it as `kubectl get node --show-labels` shows it") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Two spellings of one key that say different things. What the table has as default is not set. Images are left out: a file of
PSO names the vendor's, which count as not set, beside an image of one's own.
*/}}
{{- define "pso.report.twice" -}}
{{- $text := ternary (toJson .value) (toString .value | lower) (or (kindIs "map" .value) (kindIs "slice" .value)) -}}
{{- $default := ternary (toJson .key.default) (toString .key.default | lower) (kindIs "slice" .key.default) -}}
{{- if and (ne $text $default) (not (hasPrefix "images." .canonical)) -}}
{{- with get .state.given .canonical -}}
{{- if ne .text $text -}}
{{- include "pso.report.problem" (dict "state" $.state "path" $.path "found" (printf "is %s, but %s is %s" (include "pso.report.shown" $.value) .path .shown) "mend" "they are one key, keep one of them") -}}
{{- end -}}
{{- end -}}
{{- $_ := set .state.given .canonical (dict "path" .path "text" $text "shown" (include "pso.report.shown" .value)) -}}
{{- end -}}
{{- end -}}

{{- define "pso.report.cidrs" -}}
{{- $in := . -}}
{{- $count := 0 -}}
{{- range $part := (kindIs "slice" .value | ternary .value (list .value)) -}}
{{- range $text := regexSplit "[\\s,]+" (toString $part) -1 -}}
{{- if ne $text "" -}}{{- $count = add1 $count -}}{{- end -}}
{{- if and (ne $text "") (le (int $count) (int $in.limits.cidrs)) -}}
{{- $octet := include "pso.report.octet" . -}}
{{- $ip4 := printf "(%s\\.){3}%s" $octet $octet -}}
{{- $ip6 := "[0-9a-fA-F]*:[0-9a-fA-F:]*[0-9.]*" -}}
{{- $isBlock := or (regexMatch (printf "^%s/(3[0-2]|[12]?[0-9])$" $ip4) $text) (regexMatch (printf "^%s/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$" $ip6) $text) -}}
{{- if not $isBlock -}}
{{- $mend := "write it like 10.1.0.0/16 or fd00:1::/64" -}}
{{- if regexMatch (printf "^%s$" $ip4) $text -}}{{- $mend = printf "write %s/32 for this one address" $text -}}{{- end -}}
{{- include "pso.report.problem" (dict "state" $in.state "path" $in.path "found" (printf "holds %q" $text) "wanted" "address blocks, parted by commas" "mend" $mend) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if gt (int $count) (int .limits.cidrs) -}}
{{- include "pso.report.problem" (dict "state" .state "path" .path "found" (printf "holds %d address blocks" (int $count)) "wanted" (printf "at most %d" (int .limits.cidrs)) "mend" "put neighbours together into larger blocks") -}}
{{- end -}}
{{- end -}}

{{/* A number of an IPv4 address, as a pattern. Without leading zeros: some tools read those as octal. */}}
{{- define "pso.report.octet" -}}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9]){{- end -}}

{{/* "true" for an IP address without brackets, or a name that DNS can have; else empty. */}}
{{- define "pso.report.isHost" -}}
{{- $label := "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?" -}}
{{- if contains ":" . -}}
{{- if regexMatch "^[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$" . -}}true{{- end -}}
{{- else if regexMatch "^[0-9.]+$" . -}}
{{- $octet := include "pso.report.octet" . -}}
{{- if regexMatch (printf "^(%s\\.){3}%s$" $octet $octet) . -}}true{{- end -}}
{{- else if and (le (len .) 253) (regexMatch (printf "^%s(\\.%s)*\\.?$" $label $label) .) -}}true
{{- end -}}
{{- end -}}

{{- define "pso.report.clusterID" -}}
{{- $old := get (get .values "namespace" | default dict) "pure" -}}
{{- $new := get .values "clusterID" -}}
{{- $path := ternary "namespace.pure" "clusterID" (and (not (empty $old)) (or (empty $new) (eq (toString $new) "k8s"))) -}}
{{- $id := ternary $old $new (eq $path "namespace.pure") | default "k8s" | toString | trim -}}
{{- $problem := dict "state" .state "path" $path "wanted" (printf "1 to %d letters, digits and _" (int .limits.clusterIdChars)) -}}
{{- if or (hasPrefix "REPLACE_" $id) (ge (len $id) 50) -}}
{{- include "pso.report.problem" (merge (dict "found" "still holds the placeholder of PSO's values file" "mend" "choose an ID that no other cluster on these arrays has, and never change it again") $problem) -}}
{{- else if gt (include "pso.report.chars" $id | int) (int .limits.clusterIdChars) -}}
{{- include "pso.report.problem" (merge (dict "found" (printf "has %s characters" (include "pso.report.chars" $id)) "mend" "a longer one leaves no room for -pvc-<UUID> in the 63 characters of a volume name") $problem) -}}
{{- else if not (regexMatch "^[A-Za-z0-9][A-Za-z0-9_-]*$" $id) -}}
{{- include "pso.report.problem" (merge (dict "found" (printf "is %q" $id) "mend" "arrays refuse other names; a letter or digit stands first") $problem) -}}
{{- else if contains "-" $id -}}
{{- $_ := set .state "notes" (append .state.notes (printf "%s is %q, with a hyphen: keep it if PSO 5 made volumes under it, else choose one without." $path $id)) -}}
{{- end -}}
{{- end -}}

{{/* The lists of arrays, in any mix of upper and lower case, as the program reads them. */}}
{{- define "pso.report.arrays" -}}
{{- $in := . -}}
{{- $seen := dict -}}
{{- $count := 0 -}}
{{- range $written, $list := (kindIs "map" .arrays | ternary .arrays dict) -}}
{{- $kind := get (dict "flasharrays" "flasharray" "flashblades" "flashblade") (lower $written) -}}
{{- if and $kind (kindIs "slice" $list) -}}
{{- $count = add $count (len $list) -}}
{{- range $index, $entry := $list -}}
{{- $path := printf "arrays.%s[%d]" $written $index -}}
{{- if kindIs "map" $entry -}}
{{- include "pso.report.entry" (dict "kind" $kind "path" $path "entry" $entry "seen" $seen "table" $in.table "state" $in.state) -}}
{{- else -}}
{{- include "pso.report.problem" (dict "state" $in.state "path" $path "found" (printf "is %s" (include "pso.report.shown" $entry)) "wanted" "a mapping with MgmtEndPoint and APIToken" "mend" "begin each array with `- MgmtEndPoint:`") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if gt (int $count) (int .table.limits.arrays) -}}
{{- include "pso.report.problem" (dict "state" .state "path" "arrays" "found" (printf "lists %d arrays" (int $count)) "wanted" (printf "at most %d" (int .table.limits.arrays)) "mend" "serve the others from another installation, with a clusterID of its own") -}}
{{- end -}}
{{- end -}}

{{/* The keys of an entry under their right names; a value without content is not set. */}}
{{- define "pso.report.entry" -}}
{{- $in := . -}}
{{- $values := dict -}}
{{- range $written, $value := .entry -}}
{{- $key := get $in.table.arrayKeys (lower $written) -}}
{{- $at := printf "%s.%s" $in.path $written -}}
{{- if and $key (not (get $key $in.kind)) -}}
{{- include "pso.report.problem" (dict "state" $in.state "path" $at "found" (printf "is not for a %s" (ternary "FlashArray" "FlashBlade" (eq $in.kind "flasharray"))) "mend" "remove it") -}}
{{- else if and $key (not (empty $value)) -}}
{{- if hasKey $values $key.name -}}
{{- if ne (toJson (get $values $key.name)) (toJson $value) -}}
{{- include "pso.report.problem" (dict "state" $in.state "path" $at "found" (printf "says something else than another spelling of %s" $key.name) "mend" "keep one") -}}
{{- end -}}
{{- end -}}
{{- $_ := set $values $key.name $value -}}
{{- if ne $written $key.name -}}
{{- $_ := set $in.state "old" (append $in.state.old (printf "%s (now %s)" $at $key.name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- include "pso.report.address" (merge (dict "values" $values) .) -}}
{{- include "pso.report.token" (merge (dict "values" $values) .) -}}
{{- if eq .kind "flashblade" -}}{{- include "pso.report.nfs" (merge (dict "values" $values) .) -}}{{- end -}}
{{- include "pso.report.trust" (merge (dict "values" $values) .) -}}
{{- with get $values "Name" -}}
{{- include "pso.report.unique" (dict "in" $in "key" "Name" "value" (toString .)) -}}
{{- if ne (include "pso.report.withoutTokens" .) (toString .) -}}
{{- include "pso.report.problem" (dict "state" $in.state "path" (printf "%s.Name" $in.path) "found" "looks like a token, and everybody can read the names of arrays" "wanted" "a name of words" "mend" "choose another one") -}}
{{- end -}}
{{- end -}}
{{- range $name, $key := .table.arrayKeys -}}
{{- /* Old spellings lead to the same key: it is measured once. */ -}}
{{- if and $key.chars (eq $name (lower $key.name)) (hasKey $values $key.name) -}}
{{- include "pso.report.tooLong" (dict "state" $in.state "path" (printf "%s.%s" $in.path $key.name) "value" (get $values $key.name) "most" $key.chars) -}}
{{- end -}}
{{- end -}}
{{- include "pso.report.labels" (merge (dict "values" $values) .) -}}
{{- end -}}

{{/* Labels of an array, as large as Kubernetes allows them: no node could match another one. */}}
{{- define "pso.report.labels" -}}
{{- $in := . -}}
{{- $labels := get .values "Labels" | default dict -}}
{{- $limits := .table.limits -}}
{{- if gt (len $labels) (int $limits.labels) -}}
{{- include "pso.report.problem" (dict "state" .state "path" (printf "%s.Labels" .path) "found" (printf "holds %d labels" (len $labels)) "wanted" (printf "at most %d" (int $limits.labels)) "mend" "keep those that a class or a node asks for") -}}
{{- else -}}
{{- range $label, $value := $labels -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $parts := regexSplit "/" $label 2 -}}
{{- $isIn := eq (len $parts) 2 -}}
{{- $sizes := list
  (list "a domain" ($isIn | ternary (first $parts) "") $limits.labelDomainChars)
  (list "a name" (last $parts) $limits.labelChars)
  (list "a value" (include "pso.report.digits" $value) $limits.labelChars) -}}
{{- $isTold := false -}}
{{- range $sizes -}}
{{- $chars := include "pso.report.chars" (index . 1) | int -}}
{{- if and (not $isTold) (gt $chars (int (last .))) -}}
{{- $isTold = true -}}
{{- include "pso.report.problem" (dict "state" $in.state "path" (printf "%s.Labels.%s" $in.path (trunc 80 $label)) "found" (printf "has %s of %d characters" (first .) $chars) "wanted" (printf "at most %d, as Kubernetes allows for a label" (int (last .))) "mend" "write a shorter one") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pso.report.unique" -}}
{{- $id := printf "%s %s" .key (lower .value) -}}
{{- with get .in.seen $id -}}
{{- include "pso.report.problem" (dict "state" $.in.state "path" (printf "%s.%s" $.in.path $.key) "found" (printf "is %q, as in %s" $.value .) "mend" "list each array once, under a name of its own") -}}
{{- else -}}
{{- $_ := set .in.seen $id .in.path -}}
{{- end -}}
{{- end -}}

{{- define "pso.report.address" -}}
{{- $path := printf "%s.MgmtEndPoint" .path -}}
{{- with get .values "MgmtEndPoint" -}}
{{- $bare := regexReplaceAll "^(?i)https?://" (toString . | trim) "" | trimSuffix "/" -}}
{{- $host := $bare -}}
{{- $port := 443 -}}
{{- /* Of `[IPV6]`, `[IPV6]:PORT` and `NAME:PORT` the two parts; a bare IPv6 address has no port. */ -}}
{{- if regexMatch "^(\\[[^]]*\\]|[^:]*)(:[0-9]{1,5})?$" $bare -}}
{{- $host = regexReplaceAll ":[0-9]{1,5}$" $bare "" -}}
{{- $port = regexFind ":[0-9]{1,5}$" $bare | trimPrefix ":" | default "443" | int -}}
{{- if hasPrefix "[" $bare -}}
{{- $host = regexReplaceAll "^\\[([^]]*)\\].*$" $bare "${1}" -}}
{{- if not (contains ":" $host) -}}{{- $host = "" -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if or (not (include "pso.report.isHost" $host)) (lt $port 1) (gt $port 65535) -}}
{{- include "pso.report.problem" (dict "state" $.state "path" $path "found" (printf "is %s" (include "pso.report.shown" .)) "wanted" "a host name or an IP address, with :port if it is not 443" "mend" "take everything else away, a path too") -}}
{{- else -}}
{{- include "pso.report.unique" (dict "in" $ "key" "MgmtEndPoint" "value" (trimSuffix ":443" $bare)) -}}
{{- if regexMatch "^(?i)http://" (toString .) -}}
{{- $_ := set $.state "notes" (append $.state.notes (printf "%s begins with http://, so that the API token travels in the clear: use https:// for anything but a simulated array." $path)) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- include "pso.report.problem" (dict "state" .state "path" $path "found" "is missing" "wanted" "the management address of the array" "mend" "add it, a host name or an IP address") -}}
{{- end -}}
{{- end -}}

{{- define "pso.report.token" -}}
{{- $given := list -}}
{{- range $name := list "APIToken" "APITokenFile" "APITokenSecret" -}}
{{- if hasKey $.values $name -}}{{- $given = append $given $name -}}{{- end -}}
{{- end -}}
{{- $path := printf "%s.%s" .path (first $given | default "APIToken") -}}
{{- if empty $given -}}
{{- include "pso.report.problem" (dict "state" .state "path" $path "found" "is missing" "wanted" "a token in APIToken, or where it is in APITokenSecret or APITokenFile" "mend" "make one on the array: pureadmin create --api-token") -}}
{{- else if gt (len $given) 1 -}}
{{- include "pso.report.problem" (dict "state" .state "path" $path "found" (printf "stands beside %s" (rest $given | join " and ")) "mend" "keep one of them") -}}
{{- end -}}
{{- with get .values "APITokenSecret" -}}
{{- range $part := list "name" "key" -}}
{{- $text := get $.values.APITokenSecret $part | default (ternary "token" "" (eq $part "key")) -}}
{{- if or (not (regexMatch $.table.patterns.secretName $text)) (contains ".." $text) -}}
{{- include "pso.report.problem" (dict "state" $.state "path" (printf "%s.APITokenSecret.%s" $.path $part) "found" (printf "is %s" (include "pso.report.shown" $text)) "wanted" "{name, key} of a Kubernetes Secret" "mend" "write letters, digits, `-`, `_` and `.`") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pso.report.nfs" -}}
{{- $path := printf "%s.NFSEndPoint" .path -}}
{{- with get .values "NFSEndPoint" -}}
{{- $bare := toString . | trim -}}
{{- if not (include "pso.report.isHost" (regexReplaceAll "^\\[(.*)\\]$" $bare "${1}")) -}}
{{- include "pso.report.problem" (dict "state" $.state "path" $path "found" (printf "is %s" (include "pso.report.shown" .)) "wanted" "a host name or an IP address, without port and path" "mend" "take the rest away") -}}
{{- end -}}
{{- else -}}
{{- include "pso.report.problem" (dict "state" .state "path" $path "found" "is missing" "wanted" "the address of a data interface of the FlashBlade" "mend" "add it; nodes mount from there") -}}
{{- end -}}
{{- end -}}

{{- define "pso.report.trust" -}}
{{- $words := list "true" "false" "yes" "no" "on" "off" "1" "0" -}}
{{- range $name := list "TLSVerify" "Suspended" -}}
{{- if hasKey $.values $name -}}
{{- if not (has (get $.values $name | toString | lower) $words) -}}
{{- include "pso.report.problem" (dict "state" $.state "path" (printf "%s.%s" $.path $name) "found" (printf "is %s" (include "pso.report.shown" (get $.values $name))) "wanted" "true or false" "mend" "write one of the two") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with get .values "CertFingerprint" -}}
{{- $digits := regexReplaceAll "^(?i)sha-?256[:=\\s]*(fingerprint=)?" (toString . | trim) "" | replace ":" "" -}}
{{- if not (regexMatch "^[0-9a-fA-F]{64}$" $digits) -}}
{{- include "pso.report.problem" (dict "state" $.state "path" (printf "%s.CertFingerprint" $.path) "found" (printf "has %d characters without the colons" (len $digits)) "wanted" "the 64 hexadecimal digits of a SHA-256 fingerprint" "mend" "pso-bin admin check prints it") -}}
{{- end -}}
{{- end -}}
{{- /* Whoever writes the Secret with the arrays would have any file of the controller sent to an address of their choice. */ -}}
{{- $elsewhere := dict "APITokenFile" "put the token into a Secret, and name that by APITokenSecret" "CACert" "write the certificate itself there, from -----BEGIN CERTIFICATE----- on" -}}
{{- range $name, $mend := $elsewhere -}}
{{- $file := get $.values $name | default "" | toString | trim -}}
{{- if and $file (not (contains "-----BEGIN" $file)) (or (not (hasPrefix "/etc/pure/" $file)) (contains "/../" (printf "%s/" $file))) -}}
{{- include "pso.report.problem" (dict "state" $.state "path" (printf "%s.%s" $.path $name) "found" "names a file that the controller does not read" "wanted" "one below /etc/pure" "mend" $mend) -}}
{{- end -}}
{{- end -}}
{{- with get .values "CACert" -}}
{{- if and (contains "-----BEGIN" (toString .)) (not (regexMatch "(?s)-----BEGIN CERTIFICATE-----.+-----END CERTIFICATE-----" (toString .))) -}}
{{- include "pso.report.problem" (dict "state" $.state "path" (printf "%s.CACert" $.path) "found" "holds no whole certificate" "wanted" "PEM text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----" "mend" "copy the certificate again") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Entries of lists that make an object each, or name one: without a name there is none. */}}
{{- define "pso.report.lists" -}}
{{- $in := . -}}
{{- range $path := list "storageClasses" "volumeSnapshotClasses" "volumeGroupSnapshotClasses" "volumeAttributesClasses" "additionalDaemonSets" "controllerServer.tokenSecrets" -}}
{{- $list := (include "pso.first" (dict "values" $in.values "paths" (list $path)) | fromJson).value -}}
{{- $seen := dict -}}
{{- range $index, $entry := kindIs "slice" $list | ternary $list list -}}
{{- $at := printf "%s[%d]" $path $index -}}
{{- if not (kindIs "map" $entry) -}}
{{- include "pso.report.problem" (dict "state" $in.state "path" $at "found" (printf "is %s" (include "pso.report.shown" $entry)) "wanted" "a mapping with a name" "mend" "begin the entry with `- name:`") -}}
{{- else if not (and (kindIs "string" $entry.name) (regexMatch "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$" $entry.name)) -}}
{{- include "pso.report.problem" (dict "state" $in.state "path" (printf "%s.name" $at) "found" (printf "is %s" (include "pso.report.shown" $entry.name)) "wanted" "a name of Kubernetes" "mend" "write small letters, digits, `-` and `.`") -}}
{{- else if and (hasKey $seen $entry.name) (ne $path "controllerServer.tokenSecrets") -}}
{{- include "pso.report.problem" (dict "state" $in.state "path" (printf "%s.name" $at) "found" (printf "is %q, as in %s" $entry.name (get $seen $entry.name)) "mend" "give each a name of its own") -}}
{{- else -}}
{{- $_ := set $seen $entry.name $at -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What concerns more than one key. */}}
{{- define "pso.report.together" -}}
{{- $isStrict := include "pso.switch" (dict "values" .values "paths" (list "storagetopology.strictTopology")) -}}
{{- $isOn := include "pso.switch" (dict "values" .values "paths" (list "storagetopology.enable")) -}}
{{- if and $isStrict (not $isOn) -}}
{{- $_ := set .state "notes" (append .state.notes "storagetopology.strictTopology has no effect without storagetopology.enable: set both, or none.") -}}
{{- end -}}
{{- $hasCapacity := include "pso.switch" (dict "values" .values "paths" (list "csi.storageCapacity")) -}}
{{- if and $hasCapacity (not $isOn) -}}
{{- include "pso.report.problem" (dict "state" .state "path" "csi.storageCapacity" "found" "is true without storagetopology.enable" "mend" "set both, or none. csi-provisioner keeps no capacity of a driver without topology, and the scheduler would then place no pod whose claim waits for it") -}}
{{- end -}}
{{- include "pso.report.snapshotMetadata" . -}}
{{- if and (include "pso.hasEphemeral" (dict "Values" .values)) (eq (include "pso.account" (dict "root" (dict "Values" .values) "of" "node")) (include "pso.account" (dict "root" (dict "Values" .values) "of" "controller"))) -}}
{{- include "pso.report.problem" (dict "state" .state "path" "ephemeral.enabled" "found" "is true, and nodes and controller have one service account" "mend" "give each its own in nodeServer.serviceAccount.name and controllerServer.serviceAccount.name. By its account a node is kept to the volumes of its own pods") -}}
{{- end -}}
{{- end -}}
