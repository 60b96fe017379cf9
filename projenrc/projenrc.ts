import { type Project, ProjenrcFile } from 'projen';

/** Names the file that generated files point to. */
export class Projenrc extends ProjenrcFile {
  constructor(
    project: Project,
    public readonly filePath: string,
  ) {
    super(project, 'projenrc');
  }
}
