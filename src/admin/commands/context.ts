/** What a verb may use of the outside. */
export interface AdminContext {
  print: (text: string) => void;
  readTextFile: (path: string) => Promise<string>;
  env: (name: string) => string | undefined;
}
