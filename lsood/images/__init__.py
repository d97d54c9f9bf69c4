"""Image files as people have them: which files of a folder are images, whether they are whole, and their pixels."""
