import { parse } from 'yaml'

/**
 * The first document of a text, without its positions. To be imported lazily in place of the package: a bundle has no
 * named exports of a CommonJS package that is imported by `import()`.
 * @throws YAMLParseError
 */
export const parseYaml = (text: string): unknown => parse(text)
