// Package docs proves that the documents tell the truth: it types the commands of each page into a shell, makes a
// project with `pulumi new`, adopts an existing workspace, and runs the steps of the workflows and the job definition.
package docs
